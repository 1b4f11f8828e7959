"""Every mistake in a settings file is told with its line, its key and what would be right."""

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from msgspec import Meta, field

from kwhub.domain.errors import ConfigError
from kwhub.runtime.settings import Settings, WrongSetting, load_toml, parse_toml
from kwhub.runtime.toml_lines import key_lines, nearest_line


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Meter(Settings, frozen=True):
    address: Annotated[str, Meta(pattern=r"^\d{12}$", description="twelve digits in quotes")]
    point: Annotated[int, Meta(ge=1, le=2040)] = 1
    protocol: Literal["old", "new"] = "new"
    colour: Colour = Colour.RED
    on: bool = True
    share: Annotated[float, Meta(gt=0)] = 1.0


class Bus(Settings, frozen=True):
    name: str
    meter: tuple[Meter, ...] = ()

    def __post_init__(self) -> None:
        points = [meter.point for meter in self.meter]
        for index, point in enumerate(points):
            if point in points[:index]:
                raise WrongSetting(f"meter[{index}].point", f"{point} is taken")


class Site(Settings, frozen=True):
    bus: tuple[Bus, ...] = ()
    names: dict[str, int] = field(default_factory=dict)
    password: Annotated[str, Meta(min_length=8)] = "12345678"  # noqa: S105 - of nothing
    pause_s: Annotated[int, Meta(ge=1)] | None = None


GOOD = """\
# a comment with [brackets] and "quotes
pause_s = 3
[names]
a = 1
"b.c" = 2

[[bus]]
name = '''
two lines'''
  [[bus.meter]]
  address = "000000000001"   # [[bus]]
  point = 1
  [[bus.meter]]
  address = "000000000002"
  point = 2
[[bus]]
name = "east \\" [["
meter = [
  { address = "000000000003", point = 1 },

  { address = "000000000004", point = 2 },
]
"""


def test_a_good_file_becomes_the_structure(tmp_path):
    file = tmp_path / "site.toml"
    file.write_text(GOOD)
    site = load_toml(file, Site)
    assert [meter.point for bus in site.bus for meter in bus.meter] == [1, 2, 1, 2]
    assert site.names == {"a": 1, "b.c": 2}
    assert site.bus[0].name == "two lines"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("pause_s",), 2),
        (("names", "b.c"), 5),
        (("bus",), 7),
        (("bus", 0, "name"), 8),
        (("bus", 0, "meter", 0, "address"), 11),
        (("bus", 0, "meter", 1, "point"), 15),
        (("bus", 1), 16),
        (("bus", 1, "meter", 0, "point"), 19),
        (("bus", 1, "meter", 1), 21),
        (("bus", 1, "meter", 1, "point"), 21),
    ],
)
def test_every_key_has_its_line(path, line):
    assert key_lines(GOOD)[path] == line


def test_a_key_that_is_not_written_has_the_line_of_its_table():
    lines = key_lines(GOOD)
    assert nearest_line(lines, ("bus", 0, "meter", 1, "protocol")) == 13
    assert nearest_line(lines, ("nothing",)) is None


@pytest.mark.parametrize(
    ("text", "line", "key", "what"),
    [
        ("pause_s = 0", 1, "pause_s", "must be a whole number from 1, not 0"),
        ("\npause_s = 'x'", 2, "pause_s", "must be a whole number from 1, not 'x'"),
        ("\n[[bus]]\nnam = 'x'", 3, "bus[0].nam", "is not a known key; did you mean 'name'?"),
        ("[[bus]]\nname='x'\nzzz=1", 3, "bus[0].zzz", "known keys are name, meter"),
        ("\n[[bus]]\n", 2, "bus[0].name", "is missing; write text in quotes"),
        ("bus = 3", 1, "bus", "must be a list, not 3"),
        ("bus = [3]", 1, "bus[0]", "must be a table, not 3"),
        ("[names]\na = 'x'", 1, "names", "every value must be a whole number"),
        ("password = 'short'", 1, "password", "must be text in quotes"),
        ("pause_s = ", 1, "", "is not valid TOML: Invalid value"),
        ("a = 1\na = 2", 2, "", "is not valid TOML: Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_told_with_line_key_and_remedy(text, line, key, what):
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, Site, file="site.toml")
    error = caught.value
    assert (error.line, error.key, error.file) == (line, key, "site.toml")
    assert what in error.what
    assert str(error).startswith(f"site.toml:{line}: ")


@pytest.mark.parametrize(
    ("pair", "what"),
    [
        ("address = '12'", "must be twelve digits in quotes, not '12'"),
        ("point = 2041", "must be a whole number from 1 to 2040, not 2041"),
        ("protocol = 'x'", "must be one of 'new', 'old', not 'x'"),
        ("colour = 'green'", "must be one of 'red', 'blue', not 'green'"),
        ("on = 1", "must be true or false, not 1"),
        ("share = 0.0", "must be a number above 0"),
        ("point = true", "must be a whole number from 1 to 2040, not true"),
    ],
)
def test_each_kind_of_value_has_its_words(pair, what):
    address = "" if pair.startswith("address") else "address = '000000000001'\n"
    with pytest.raises(ConfigError) as caught:
        parse_toml(f"[[bus]]\nname = 'x'\n[[bus.meter]]\n{address}{pair}", Site)
    assert caught.value.line == (4 if not address else 5)
    assert caught.value.key == f"bus[0].meter[0].{pair.split(' ')[0]}"
    assert what in caught.value.what


def test_a_rule_over_several_fields_names_the_guilty_one():
    text = GOOD.replace("point = 2 }", "point = 1 }").replace("\n", "\r\n")
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, Site)
    assert (caught.value.line, caught.value.key) == (21, "bus[1].meter[1].point")
    assert caught.value.what == "1 is taken"


def test_a_secret_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        parse_toml("password = 'hush'", Site)
    assert "hush" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_toml(tmp_path / "none.toml", Site)
    (tmp_path / "odd.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_toml(tmp_path / "odd.toml", Site)


def test_a_check_from_outside_is_told_in_the_same_way():
    def check(site):
        raise WrongSetting("bus[0].name", "is not in the register")

    with pytest.raises(ConfigError, match=r"site.toml:8: bus\[0\].name: is not in the register"):
        parse_toml(GOOD, Site, file="site.toml", check=check)
