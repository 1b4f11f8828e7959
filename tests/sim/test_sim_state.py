"""What a meter keeps over a restart, and what becomes of a file that is none."""

from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NOT_AUTHORISED, Line, authority, made

from kwhub.domain.errors import ConfigError
from kwhub.protocols.dlt645 import ChangePassword, ClearDemand, Freeze, Key, SetTime, WriteAddress
from kwhub.sim.memory import Memory, StateFile

READ = (
    0x0001_FF00,
    0x0101_0000,
    0x0400_0301,
    0x0400_010C,
    0x0400_0401,
    0x0401_0001,
    0x0400_0503,
    0x0501_0001,
    0x0501_0101,
    0x0330_0001,
    0x0330_0201,
    0x0311_0001,
    0x1D00_0101,
    0x0400_1204,
)


def changed(path):
    """A meter to which everything has happened that it has to remember."""
    line = Line(made(state=path))
    body = line.meter.body
    line.write(0x0400_0301, Decimal(9))
    line.write(0x0401_0001, *["00:00 02"] * 14)
    line.ask(WriteAddress("000000000077"))
    line.ask(SetTime(line.wall.replace(second=59)))
    line.later(60)
    line.error(Freeze("000000000077"))
    line.error(Freeze("000000000077", "99999930"))
    line.error(ClearDemand("000000000077", authority()))
    line.error(ChangePassword("000000000077", Key(4), Key(4, "123456"), 0x0400_0C05))
    body.cut_power(line.at_s)
    line.later(60)
    body.restore_power(line.at_s)
    line.later(60)
    line.relay(0x1A, who=authority(2))
    line.later(1)
    line.meter.keep()
    return line


def test_everything_outlives_a_restart(tmp_path):
    before = changed(tmp_path / "meter.json")
    after = Line(made(state=tmp_path / "meter.json"))
    after.pair.now = before.pair.now
    for identifier in READ:
        assert after.whole(identifier) == before.whole(identifier), f"{identifier:08X}"
    assert after.meter.address == "000000000077"
    assert after.write(0x0400_0301, Decimal(7)) == NOT_AUTHORISED  # the old password
    for line in (before, after):
        line.later(86_400)
    assert after.values(0x0001_FF00) == before.values(0x0001_FF00)


def test_every_order_is_on_the_disk_before_it_is_answered(tmp_path):
    path = tmp_path / "meter.json"
    line = Line(made(state=path))
    line.write(0x0400_0301, Decimal(9))
    kept = StateFile(path).load()
    assert kept == line.meter.body.memory
    assert kept is not None
    assert kept.parameters == {0x0400_0301: b"\x09"}
    assert [each.name for each in tmp_path.iterdir()] == ["meter.json"]


def test_reading_writes_nothing(tmp_path):
    line = Line(made(state=tmp_path / "meter.json"), key=False)
    line.values(0x0001_0000)
    assert list(tmp_path.iterdir()) == []


def test_a_half_written_file_beside_is_of_no_account(tmp_path):
    path = tmp_path / "meter.json"
    StateFile(path).save(Memory(ADDRESS))
    (tmp_path / "meter.json.new").write_bytes(b'{"addr')
    assert StateFile(path).load() == Memory(ADDRESS)
    StateFile(path).save(Memory("000000000077"))
    assert StateFile(path).load() == Memory("000000000077")


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"address": 7}', b"\xff"])
def test_a_file_that_is_no_memory_is_named(tmp_path, raw):
    path = tmp_path / "meter.json"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"meter\.json"):
        made(state=path)
