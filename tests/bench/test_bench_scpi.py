"""Instruments over SCPI: the same results as without, and clear words when one is ill."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.bench.bench_parts import StillClock, configured, measured

from kwhub.bench.configuration import build_bench, load_instruments
from kwhub.bench.device_model import DeviceModel
from kwhub.bench.instruments import ROLES, InstrumentError, Light
from kwhub.bench.procedure import examine
from kwhub.bench.scpi import Connection, parse_numbers
from kwhub.bench.scpi_instruments import COMMANDS, ScpiInstrument
from kwhub.bench.scpi_server import ScpiSimulator
from kwhub.bench.simulated import SimulatedBench
from kwhub.domain.errors import ConfigError
from kwhub.links.address import open_link
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import SystemClock


@asynccontextmanager
async def served(tmp_path, more=""):
    """A simulated bench on a port, and the real driver set up by a file."""
    simulator = ScpiSimulator(SimulatedBench(DeviceModel()))
    server = await serve("tcp-listen:127.0.0.1:0", simulator.serve, SystemClock())
    path = tmp_path / "bench.toml"
    tables = [f'[{role}]\nlink = "{server.call_address}"\ntimeout_s = 0.15\n' for role in ROLES]
    path.write_text("\n".join(tables) + more)
    bench, connections = build_bench(load_instruments(path), SystemClock())
    try:
        yield simulator, bench
    finally:
        for connection in connections:
            await connection.aclose()
        await server.aclose()


@pytest.mark.slow
async def test_a_device_is_examined_over_scpi_with_the_same_numbers(tmp_path):
    async with served(tmp_path) as (_, bench):
        for role in ("head", "analyser", "spectrometer"):
            getattr(bench, role).timeout_s = 30
        result, evidence = await examine(bench, configured(), StillClock(), serial="000000000038")
    direct, _ = await asyncio.to_thread(measured, DeviceModel())
    assert result.verdict == direct.verdict == "pass"
    for one, other in zip(result.measurements, direct.measurements, strict=True):
        assert one.verdict == other.verdict
        assert one.value == pytest.approx(other.value, rel=1e-3, abs=0.02)
    assert evidence.probes
    assert set(result.instruments) == set(ROLES)


async def test_a_silent_instrument_is_named_and_the_next_question_gets_its_own_answer(tmp_path):
    async with served(tmp_path) as (simulator, bench):
        simulator.silent.add("POW:READ?")
        with pytest.raises(InstrumentError, match=r"power_meter.*'POW:READ\?' within 0.15 s"):
            await bench.power_meter.irradiance_mw_m2()
        simulator.silent.clear()
        assert await bench.power_meter.irradiance_mw_m2() > 0


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("POW:READ?", b"hello"),
        ("POW:READ?", b"nan"),
        ("POW:READ?", b"1,2"),
        ("POW:READ?", b"\xff\xfe"),
        ("SPEC:DATA?", b"1,2,3"),
        ("SPEC:DATA?", b""),
        ("LOG:RATE?", b"0"),
        ("LOG:EDG?", b"5,4,3"),
        ("LOG:EDG?", b"-1,4"),
        ("LOG:EDG?", b"1,1e300"),
        ("HEAD:ASK?", b'"6G"'),
        ("STAG:MOVE", b"0"),
        ("SYST:ERR?", b"what?"),
        ("*IDN?", b"me"),
    ],
)
async def test_garbage_is_refused_in_words(tmp_path, verb, answer):
    async with served(tmp_path) as (simulator, bench):
        simulator.replaced[verb] = answer
        with pytest.raises(InstrumentError, match="tcp:127") as told:
            await everything(bench)
        assert "\n" not in str(told.value)
        simulator.replaced.clear()
        assert await bench.stage.identify()


async def everything(bench):
    await bench.power_meter.irradiance_mw_m2()
    await bench.spectrometer.spectrum()
    await bench.analyser.capture()
    await bench.head.ask(b"\x68")
    await bench.stage.move(1.0, 0.0)
    await bench.stage.identify()


async def test_the_error_queue_is_read_and_told(tmp_path):
    async with served(tmp_path) as (_, bench):
        with pytest.raises(InstrumentError, match=r"-222.*reaches 0.05 to 10 m"):
            await bench.stage.move(50.0, 0.0)
        await bench.stage.move(1.0, 0.0)
        box = bench.lamp.connection
        with pytest.raises(InstrumentError, match="-113"):
            await box.command("FLASH:NOW", 1)
        await bench.lamp.shine(Light(daylight_lux=5))


async def test_an_endless_error_queue_ends(tmp_path):
    async with served(tmp_path) as (simulator, bench):
        simulator.replaced["SYST:ERR?"] = b'-350,"Queue overflow"'
        with pytest.raises(InstrumentError, match="Queue overflow"):
            await bench.head.power(on=True)
        assert simulator.heard.count("SYST:ERR?") == 20


async def test_nobody_there_is_told():
    async def opened():
        return await open_link("tcp:127.0.0.1:1", clock=SystemClock())

    lamp = ScpiInstrument(Connection("lamp at tcp:127.0.0.1:1", opened), "lamp")
    with pytest.raises(InstrumentError, match=r"lamp at .*: cannot be reached"):
        await lamp.shine(Light())


async def test_words_of_another_maker_come_from_the_file(tmp_path):
    more = '[head.commands]\non = "OUTP ON"\n'
    async with served(tmp_path, more) as (simulator, bench):
        with pytest.raises(InstrumentError, match="-113"):
            await bench.head.power(on=True)
        assert simulator.heard[0] == "OUTP ON"


LINES = {role: f'[{role}]\nlink = "tcp:h:1"\n' for role in ROLES}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("".join(text for role, text in LINES.items() if role != "lamp"), "lamp"),
        ("".join(LINES.values()) + '[lens]\nlink = "tcp:h:1"\n', "lens"),
        ("".join(LINES.values()) + '[stage.commands]\nfly = "UP"\n', "fly"),
        ("".join(LINES.values()) + '[stage.commands]\nmove = "GO {height}"\n', "distance_m"),
        ("".join(LINES.values()) + '[stage.commands]\nmove = "GO {distance_m"\n', "braces"),
        ("".join(LINES.values()) + "[facts]\ndistance_most_m = 0.05\n", "distance_most_m"),
        ('[stage]\nlink = "nowhere"\n', "link"),
    ],
)
def test_mistakes_in_the_file_are_told_with_key(tmp_path, text, said):
    path = tmp_path / "bench.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as told:
        load_instruments(path)
    assert "bench.toml" in str(told.value)


def test_every_role_has_commands():
    assert tuple(COMMANDS) == ROLES
    assert parse_numbers("") == []
    assert parse_numbers("1;2") is None
