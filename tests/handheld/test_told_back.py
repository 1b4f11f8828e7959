"""What the head-end does not take is told, and what is typed or read badly is told without a traceback."""

import asyncio
import getpass

import msgspec
import pytest
from sqlalchemy import update
from tests.handheld.world import outing

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError
from kwhub.handheld.app import Device
from kwhub.handheld.screens.words import words
from kwhub.headend.store.schema_devices import device_grant
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock


def test_readings_that_the_headend_refuses_are_told_and_wait_no_longer(place):
    async def main(world):
        tasks = await world.equipped()
        first, *others = tasks.places()
        async for _ in tasks.collect([first, others[0]]):
            pass
        with world.headend.database.write() as connection:
            right = update(device_grant).where(device_grant.c.meter == first.meter)
            connection.execute(right.values(operation="freeze"))
        waiting = tasks.delivery.waiting
        delivered = await tasks.delivery.synchronise()
        refused = tasks.delivery.refused
        assert {(each.reading.meter, each.reason) for each in refused} == {(first.meter, "work")}
        assert delivered + len(refused) == waiting
        assert (tasks.delivery.waiting, tasks.contact.refused) == (0, len(refused))
        await tasks.delivery.synchronise()
        assert (tasks.delivery.refused, tasks.contact.refused) == ((), 0)
        await tasks.aclose()

    outing(place, main)


def test_a_meter_that_the_device_cannot_talk_to_stops_no_round(place):
    async def main(world):
        first, *others = world.field.work()
        strange = (
            msgspec.structs.replace(first, address="202611200091", protocol="cjt188"),
            msgspec.structs.replace(first, address="202611200092", terminal=""),
        )
        tasks = await world.equipped(meters=(*strange, first, *others))
        async for _ in tasks.collect(tasks.places()):
            pass
        seen = tasks.progress(tasks.places())
        assert (seen.read, seen.failed) == (1 + len(others), 2)
        told = {each.place.meter: each.failure for each in tasks.failures()}
        assert "speaks cjt188" in told["202611200091"].detail
        assert "behind no terminal" in told["202611200092"].detail
        assert {words("zh").trouble(each.kind, each.detail) for each in told.values()} == {
            words("zh")("phrase.protocol"),
            words("zh")("phrase.no_terminal"),
        }
        assert tasks.budget.left("202611200091", "read") == 3  # nothing was spent
        await tasks.aclose()

    outing(place, main)


def ended(_question):
    raise EOFError


@pytest.mark.parametrize("command", ["sync", "collect", "enrol"])
def test_an_input_that_ends_is_no_traceback(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(getpass, "getpass", ended)
    assert run(["handheld", command, str(tmp_path / "device")]) != 0
    assert "the input ended before anything was typed: use --pin-file" in capsys.readouterr().err


def test_a_pin_file_that_is_no_text_is_told_by_its_name(tmp_path, capsys):
    file = tmp_path / "pin"
    file.write_bytes(b"\xff\xfe")
    file.chmod(0o600)
    assert run(["handheld", "sync", str(tmp_path / "device"), "--pin-file", str(file)]) != 0
    said = capsys.readouterr().err
    assert f"{file}" in said
    assert "is no UTF-8 text" in said


@pytest.mark.parametrize("name", ["link", "via"])
def test_what_is_no_link_is_not_kept(tmp_path, name):
    device = Device(tmp_path / "device", SystemClock(), seeded(1))
    with pytest.raises(ConfigError, match="unknown scheme 'bogus'"):
        asyncio.run(device.change(**{name: "bogus:1"}))
    assert not (tmp_path / "device").exists()
    for good in ("tcp:{terminal}:4001", ""):
        asyncio.run(device.change(**{name: good}))
        assert getattr(device.settings, name) == good
