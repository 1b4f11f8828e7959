"""The few names that a program needs, against a meter behind real loopback TCP."""

import asyncio
import re
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tests.cli.live_meters import live_meters, served
from tests.cli.live_meters import meter as simulated
from tests.exchange.obedient645 import Obedient

import kwhub
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.change import Verdict
from kwhub.exchange.parameters import write_parameter
from kwhub.links.drive import attend
from kwhub.protocols.dlt645 import Edition, Role, Session
from kwhub.protocols.dlt645.items import encode

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "use-the-library.md"
METER = "000000000038"
STORE = {
    0x00010000: encode(0x00010000, [Decimal("0.38")]),
    0x0201FF00: encode(0x0201FF00, [Decimal("225.6"), None, None]),
    0x02010100: b"\x56\x22\x00",
    0x04000103: b"\x15",
}


def obedient(peer):
    """A link address behind which a small meter answers."""

    async def answer(link, clock):
        session = Session(Role.METER, edition=peer.edition, addresses=peer.is_mine)
        await attend(link, session, clock, peer.answer)

    return served(answer)


def on_a_line(main, peer=None, **options):
    async def go(address):
        async with kwhub.connect(address, **options) as line:
            return await main(line)

    with obedient(peer or Obedient(store=dict(STORE))) as address:
        return asyncio.run(go(address))


def test_the_lines_of_the_page_work(capsys):
    """As they are printed, but for the link."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    with obedient(Obedient(store=dict(STORE))) as address:
        exec(re.sub(r'"serial:[^"]*"', f'"{address}"', code), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out == "0.38 kWh\n"


def test_every_python_block_of_the_page_compiles():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for code in blocks:
        wrapped = "async def page():\n" + "".join(f"    {line}\n" for line in code.splitlines())
        compile(wrapped if "await" in code and "async def" not in code else code, PAGE.name, "exec")


def test_importing_the_package_imports_nothing_of_it():
    code = "import sys, kwhub; print([name for name in sys.modules if name.startswith('kwhub.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_listed():
    for name in kwhub.__all__:
        assert getattr(kwhub, name) is not None
    assert set(kwhub.__all__) <= set(dir(kwhub))
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        kwhub.conect  # noqa: B018 - looking is enough


def test_a_reading_says_where_it_comes_from():
    async def main(line):
        return await line.meter("38").read("energy_active_import_total")

    reading = on_a_line(main)
    assert (reading.meter, reading.register) == (METER, "1-0:1.8.0")
    assert (reading.value, reading.unit) == (Decimal("0.38"), "kWh")
    assert reading.source == "dlt645:00010000"
    assert reading.raw.endswith(b"\x16")
    assert reading.captured_at == reading.received_at


def test_many_registers_with_what_went_wrong():
    async def main(line):
        return await line.meter(METER).read_all(["1-0:32.7.0", "voltage_l2", "1-0:14.7.0"])

    first, missing, refused = on_a_line(main)
    assert (first.value, first.unit) == (Decimal("225.6"), "V")
    assert missing.value is None
    assert isinstance(refused, kwhub.Refusal)


def test_errors_are_raised_by_their_names():
    async def main(line):
        meter = await line.find()
        with pytest.raises(kwhub.Refusal):
            await meter.read("1-0:14.7.0")
        with pytest.raises(kwhub.NoAnswer) as silence:
            await line.meter("000000000099").read("1-0:1.8.0")
        with pytest.raises(LocalError):
            line.meter("38", protocol="dlt646")
        with pytest.raises(LocalError):
            line.meter("12345678901234")
        with pytest.raises(kwhub.KwhubError):
            await meter.read("1-0:99.99.99")
        return silence.value.attempts, meter.address

    assert on_a_line(main, answer_timeout_s=0.05, attempts=2) == (2, METER)


def test_a_register_that_the_edition_does_not_know():
    async def main(line):
        meter = line.meter(METER, "dlt645-1997")
        with pytest.raises(LocalError):
            await meter.read("1-0:15.8.0")
        assert await meter.clock() == datetime(2026, 3, 2, 12, 0)

    on_a_line(main, Obedient(edition=Edition.E1997))


def test_the_clock_and_any_item():
    async def main(line):
        meter = line.meter(METER)
        with pytest.raises(DecodeError):
            await meter.values(0x02800002)
        return await meter.clock(), await meter.values(0x0201FF00)

    store = STORE | {0x02800002: b"\x1a\x50"}
    clock, values = on_a_line(main, Obedient(store=store))
    assert clock == datetime(2026, 3, 2, 12, 0)
    assert [value.value for value in values] == [Decimal("225.6"), None, None]


def test_a_change_through_the_face():
    async def main(line):
        authority = kwhub.Authority(kwhub.Key(4, "123456"))
        meter = line.meter(METER)
        return await meter.run(write_parameter, 0x04000103, [Decimal(30)], authority)

    assert on_a_line(main).verdict is Verdict.DONE


def test_tasks_share_a_line_and_the_waits_are_visible():
    async def main(line):
        meter = line.meter(METER)
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(meter.read("1-0:1.8.0")) for _ in range(5)]
        assert {read.result().value for read in reads} == {Decimal("0.38")}
        return line.answer_times.of(METER).answers, line.answer_times.timeout_s(METER)

    assert on_a_line(main) == (5, 1.0)


def test_a_simulated_meter():
    async def go(address):
        async with kwhub.connect(address) as line:
            meter = await line.find()
            freeze = await meter.day_freeze()
            points = await meter.curve(freeze.time, 2)
            return await meter.read("1-0:1.8.0"), freeze, points

    with live_meters(simulated(METER)) as address:
        reading, freeze, points = asyncio.run(go(address))
    assert reading.value >= freeze.values[kwhub.Register("1-0:1.8.0")]
    assert len(points) == 2
