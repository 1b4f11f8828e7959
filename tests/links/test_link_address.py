"""Addresses of links: what is understood and how mistakes are told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.links.address import SCHEMES, open_link, parse
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def _addresses_of(scheme: str) -> st.SearchStrategy[str]:
    return st.text("abc:?&=/0123[]%", max_size=40).map(lambda rest: f"{scheme}:{rest}")


def test_parts() -> None:
    address = parse("serial:/dev/ttyUSB0?baud=2400&parity=even")
    assert (address.scheme, address.target) == ("serial", "/dev/ttyUSB0")
    assert dict(address.options) == {"baud": "2400", "parity": "even"}
    assert address.inner is None
    assert str(address) == address.text == "serial:/dev/ttyUSB0?baud=2400&parity=even"


def test_options_belong_to_the_innermost() -> None:
    address = parse("paced:tcp:10.0.0.7:4001?baud=9600")
    assert address.scheme == "paced"
    assert not address.options
    assert address.inner is not None
    assert (address.inner.scheme, address.inner.target) == ("tcp", "10.0.0.7:4001")
    assert dict(address.inner.options) == {"baud": "9600"}


@pytest.mark.parametrize("row", SCHEMES.values(), ids=list(SCHEMES))
def test_examples_are_addresses(row) -> None:
    assert parse(row.example).text == row.example


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no scheme"),
        ("/dev/ttyUSB0", "no scheme"),
        ("udp:127.0.0.1:1", "unknown scheme 'udp'"),
        ("paced:udp:1", "unknown scheme 'udp'"),
        ("serial:/dev/ttyS0?baud", "options must read name=value"),
        ("serial:/dev/ttyS0?baud=300&baud=600", "given twice"),
        ("tcp:" + "x" * 1000, "at most 1000 characters"),
    ],
)
def test_wrong_text(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("serial:", "needs a device"),
        ("serial:/dev/ttyS0?baud=2401", "option baud must be one of 300, 600, 1200, .* not '2401'"),
        ("serial:/dev/ttyS0?baud=fast", "not 'fast'"),
        ("serial:/dev/ttyS0?parity=mark", "parity must be one of even, none, odd, not 'mark'"),
        (
            "serial:/dev/ttyS0?speed=1",
            "unknown option 'speed'; serial: takes baud, parity, stop, bits",
        ),
        ("tcp:127.0.0.1", "needs host:port"),
        ("tcp::4001", "needs host:port"),
        ("tcp:127.0.0.1:0", "port must be 1 to 65535, not '0'"),
        ("tcp:127.0.0.1:x", "not 'x'"),
        ("tcp:127.0.0.1:1?connect_s=0", "connect_s must be 1 to 300, not '0'"),
        ("tcp-listen:127.0.0.1:65536", "port must be 0 to 65535"),
        ("pty:/dev/pts/1", "takes no target"),
        ("paced:pty:", "needs a speed"),
        ("replay:", "needs the file"),
        ("replay:x?strict=perhaps", "strict must be one of yes, no, not 'perhaps'"),
        ("replay:/does/not/exist", "cannot be read"),
    ],
)
def test_wrong_parts(text: str, told: str) -> None:
    async def main(clock: LoopClock) -> None:
        with pytest.raises(ConfigError, match=told):
            await open_link(text, clock=clock)

    run_virtual(main, start=START)


async def test_what_cannot_be_opened() -> None:
    clock = SystemClock()
    with pytest.raises(LinkDown, match="serial:/does/not/exist"):
        await open_link("serial:/does/not/exist", clock=clock)
    listening = await open_link("tcp-listen:127.0.0.1:0", clock=clock)
    address = listening.facts.address
    with pytest.raises(LinkDown, match="in use"):
        await open_link(address, clock=clock)
    await listening.aclose()
    with pytest.raises(LinkDown, match=r"refused|Connect call failed"):
        await open_link(address.replace("-listen", ""), clock=clock)


async def test_paced_pty_states_its_speed() -> None:
    link = await open_link("paced:pty:?baud=2400", clock=SystemClock())
    assert (link.facts.baud, link.facts.half_duplex) == (2400, True)
    assert link.facts.wire_time_s(240) == pytest.approx(1.1)
    await link.aclose()


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60) | st.sampled_from(list(SCHEMES)).flatmap(_addresses_of))
def test_any_text_is_an_address_or_a_told_mistake(text: str) -> None:
    try:
        address = parse(text)
    except ConfigError as error:
        assert error.what
    else:
        assert address.text == text
        assert text.startswith(address.scheme + ":")
