"""Settings of the head-end: what is right is taken, what is wrong is told with line, key and remedy."""

from decimal import Decimal

import pytest

from kwhub.domain.errors import ConfigError
from kwhub.headend.config import load

GOOD = """\
[headend]
store = "here.sqlite"

[[area]]
code = "A1"
name = "Willow Lane"

  [[area.terminal]]
  region = "4101"
  terminal = 2082

    [[area.terminal.meter]]
    address = "000000000031"
    point = 1
    kind = "supply"
    phases = 3
    ratio = "1.5"

    [[area.terminal.meter]]
    address = "000000000038"
    point = 2
"""


def write(tmp_path, text):
    path = tmp_path / "headend.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file(tmp_path):
    config = load(write(tmp_path, GOOD))
    assert config.headend.store == "here.sqlite"
    assert config.headend.uplink == "tcp-listen:127.0.0.1:8001"  # this machine only
    assert [meter.factor for meter in config.meters()] == [Decimal("1.5"), Decimal(1)]
    assert load(write(tmp_path, "")).area == ()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "key", "words"),
    [
        ('"000000000038"', '"38"', 20, "area[0].terminal[0].meter[1].address", "twelve digits"),
        ("point = 2", "point = 1", 21, "area[0].terminal[0].meter[1].point", "twice"),
        ("point = 2", "point = 2041", 21, "area[0].terminal[0].meter[1].point", "2040"),
        ('ratio = "1.5"', 'ratio = "x"', 17, "area[0].terminal[0].meter[0].ratio", "above 0"),
        ('ratio = "1.5"', "ratio = 0", 17, "area[0].terminal[0].meter[0].ratio", "above 0"),
        ('ratio = "1.5"', 'ratio = "inf"', 17, "area[0].terminal[0].meter[0].ratio", "above 0"),
        ('"000000000038"', '"000000000031"', 4, "area", "meter 000000000031 is there twice"),
        ('store = "here.sqlite"', 'zone = "Asia/Nowhere"', 2, "headend.zone", "Asia/Shanghai"),
        ('store = "here.sqlite"', 'stor = "x"', 2, "headend.stor", "store"),
        ('region = "4101"', 'region = "41"', 9, "area[0].terminal[0].region", "four digits"),
        ('code = "A1"', 'code = ""', 5, "area[0].code", "1 to 64"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, right, wrong, line, key, words):
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD.replace(right, wrong)))
    error = caught.value
    assert (error.line, error.key) == (line, key)
    assert words in str(error)


def test_a_terminal_stands_in_one_area_only(tmp_path):
    second = (
        '[[area]]\ncode = "A2"\nname = "B"\n[[area.terminal]]\nregion = "4101"\nterminal = 2082\n'
    )
    with pytest.raises(ConfigError, match="4101-02082 is there twice"):
        load(write(tmp_path, GOOD + second))


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("web", "0.0.0.0:8080"),
        ("web", "meters.example:80"),
        ("uplink", "tcp-listen:192.168.1.2:8001"),
        ("uplink", "tls-listen:[::]:8002?cert=a.pem&key=a.key"),
    ],
)
def test_nothing_listens_beyond_this_computer_without_being_told(tmp_path, key, address):
    text = f'[headend]\n{key} = "{address}"\n'
    with pytest.raises(ConfigError, match="allow_remote = true") as caught:
        load(write(tmp_path, text))
    assert caught.value.key == f"headend.{key}"
    told = load(write(tmp_path, f"{text}allow_remote = true\n"))
    assert getattr(told.headend, key) == address
