"""Every mistake in a concentrator's settings is told with its line, its key and what would be right."""

import pytest

from kwhub.concentrator.config import load, loads
from kwhub.domain.errors import ConfigError
from kwhub.protocols.dlt645.deviations import STANDARD

GOOD = """\
[concentrator]
region = "4101"
terminal = 2082
name = "east of the river"
zone = "Asia/Shanghai"
store = "conc.sqlite"

[uplink]
address = "tcp:127.0.0.1:8001"
heartbeat_s = 300

[plan]
curve_minutes = 15
hourly = true
day_freeze = true

[[bus]]
name = "bus-1"
address = "tcp:127.0.0.1:6001"
port = 2
baud = 9600
  [[bus.meter]]
  address = "000000000038"
  point = 1
  phases = 1
  protocol = "dlt645-2007"
  [[bus.meter]]
  address = "000000000039"
  point = 2
  phases = 3

[[bus]]
name = "bus-2"
address = "serial:/dev/ttyS1?baud=2400&parity=even"
port = 3
  [[bus.meter]]
  address = "000000000040"
  point = 3
"""


def test_the_example_is_read(tmp_path):
    (tmp_path / "site.toml").write_text(GOOD)
    config = load(tmp_path / "site.toml")
    assert config.concentrator.store == str(tmp_path / "conc.sqlite")
    assert [meter.phases for bus in config.bus for meter in bus.meter] == [1, 3, 1]
    assert config.bus[1].baud == 2400
    assert config.plan.tariffs == 4


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "what"),
    [
        ('"4101"', '"41"', 2, "concentrator.region", "four digits in quotes"),
        ('"4101"', "4101", 2, "concentrator.region", "four digits in quotes"),
        ("2082", "65535", 3, "concentrator.terminal", "from 1 to 65534, not 65535"),
        ("terminal = 2082\n", "", 1, "concentrator.terminal", "is missing; write a whole number"),
        ("Asia/Shanghai", "Asia/Peking", 5, "concentrator.zone", "must be an IANA zone"),
        ("Asia/Shanghai", "../etc", 5, "concentrator.zone", "must be an IANA zone"),
        ("heartbeat_s", "hartbeat_s", 10, "uplink.hartbeat_s", "did you mean 'heartbeat_s'?"),
        ("= 300", "= 5", 10, "uplink.heartbeat_s", "from 10 to 3600, not 5"),
        ("tcp:127.0.0.1:8001", "nowhere", 9, "uplink.address", "a link address such as"),
        ("tcp:127.0.0.1:8001", "fax:1", 9, "uplink.address", "unknown scheme 'fax'"),
        ("tcp:127.0.0.1:6001", "fax:1", 19, "bus[0].address", "unknown scheme 'fax'"),
        ("curve_minutes = 15", "curve_minutes = 20", 13, "plan.curve_minutes", "0, 15, 30, 60"),
        ("hourly = true", "hourly = 'yes'", 14, "plan.hourly", "must be true or false, not 'yes'"),
        ("hourly = true", "settle_s = 900", 12, "plan.hourly_window_s", "more than settle_s"),
        ("port = 2", "port = 32", 20, "bus[0].port", "from 1 to 31, not 32"),
        ("port = 3", "port = 2", 35, "bus[1].port", "2 is already used by bus[0].port"),
        ("9600", "9601", 21, "bus[0].baud", "one of 600, 1200"),
        ('"bus-2"', '"bus-1"', 33, "bus[1].name", "'bus-1' is already used by bus[0].name"),
        ('"000000000038"', '"38"', 23, "bus[0].meter[0].address", "twelve digits"),
        ("000000000040", "000000000038", 37, "bus[1].meter[0].address", "already used by bus[0]"),
        ("point = 3", "point = 2", 38, "bus[1].meter[0].point", "2 is already used"),
        ("phases = 3", "phases = 2", 30, "bus[0].meter[1].phases", "must be one of 1, 3, not 2"),
        ("dlt645-2007", "dlt645", 26, "bus[0].meter[0].protocol", "'dlt645-2007'"),
        ("[[bus.meter]]", "[[bus.metre]]", 22, "bus[0].metre", "did you mean 'meter'?"),
        ("[uplink]", "[uplnk]", 8, "uplnk", "did you mean 'uplink'?"),
        ("port = 3", 'port = 3\nquirk = "block-end"', 36, "bus[1].quirk", "mean 'block-end-aa'?"),
        ("phases = 3", 'quirk = "Wild"', 30, "bus[0].meter[1].quirk", "names of quirks"),
        ("phases = 3", 'quirk = "wild-left"', 30, "bus[0].meter[1].quirk", "'wildcard-left'?"),
        ("[plan]", "[plan", 12, "", "is not valid TOML"),
    ],
)
def test_mistakes(old, new, line, key, what):
    with pytest.raises(ConfigError) as caught:
        loads(GOOD.replace(old, new), file="site.toml")
    assert (caught.value.line, caught.value.key) == (line, key)
    assert what in caught.value.what
    assert str(caught.value).startswith(f"site.toml:{line}: ")


def test_a_site_without_a_bus():
    with pytest.raises(ConfigError, match="bus: at least one"):
        loads(GOOD[: GOOD.index("[[bus]]")])
    with pytest.raises(ConfigError, match="at least one"):
        loads("bus = []\n" + GOOD[: GOOD.index("[[bus]]")])


def test_quirks_of_a_bus_and_of_a_meter_hold_together():
    text = GOOD.replace("port = 2", 'port = 2\nquirk = "baud-word-bcd"')
    config = loads(text.replace("phases = 3", 'phases = 3\nquirk = "wildcard-left block-end-aa"'))
    first, second = (config.bus[0].deviations(meter.address) for meter in config.bus[0].meter)
    assert (first.rate_word(9600), first.keeps_wildcard) == (0x32, False)
    assert (second.rate_word(9600), second.keeps_wildcard) == (0x32, True)
    assert second.block_end == b"\xaa"
    assert config.bus[1].deviations("000000000040") == STANDARD
