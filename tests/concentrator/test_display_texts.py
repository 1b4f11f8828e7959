"""The two tables of the screen's texts, and text in cells."""

import inspect
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kwhub.concentrator import events_records
from kwhub.concentrator.display.layout import ends, facts, fit, table, wrap
from kwhub.concentrator.display.texts import LANGUAGES, texts
from kwhub.domain.errors import KwhubError, LinkDown, NoAnswer

WORDS = st.text(st.sampled_from("abc 电表失败1234._-"), max_size=60)
WIDTHS = st.integers(4, 80)


def names_in(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_names_to_fill_in():
    english, chinese = (texts(code).table for code in LANGUAGES)
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert names_in(text) == names_in(chinese[key]), key


def test_trouble_has_words():
    english = texts("en")
    assert english.error(NoAnswer()) == "The meter does not answer."
    assert english.error(LinkDown("x")) == "The line is down."
    assert english.error(KwhubError("x")) == english.error(OSError()) == "This did not work."


def test_every_event_that_a_concentrator_makes_has_a_name():
    source = inspect.getsource(events_records)
    made = {int(code) for code in re.findall(r"EventRecord\((\d+)", source)}
    assert 60 in made
    for told in map(texts, LANGUAGES):
        assert not made & {code for code in range(256) if f"erc.{code}" not in told.table}


def test_names_that_the_tables_do_not_have_stay_as_they_are():
    english = texts("en")
    assert english.register("1-0:99.99.9") == "1-0:99.99.9"
    assert english.register("1-0:32.7.0") == "Voltage, phase A"
    assert texts("zh").register("1-0:32.7.0") == "A相电压"
    assert english.cause("from the future") == "from the future"
    assert (english.event(37), english.event(250)) == ("Meter cover", "Event 250")


@given(WORDS, WORDS, WIDTHS)
def test_nothing_is_wider_than_the_glass(left, right, width):
    assert cell_len(fit(left, width)) == width
    assert cell_len(ends(left, right, width)) == width
    assert all(cell_len(line) <= width for line in wrap(left, width))
    assert all(cell_len(line) <= width for line in table([["", "A"], [left, right]], 3, width))


@given(WORDS, WIDTHS)
def test_wrapping_loses_nothing(text, width):
    assert "".join("".join(wrap(text, width)).split()) == "".join(text.split())


@pytest.mark.parametrize("width", [20, 40, 100])
def test_a_long_value_goes_below_its_label(width):
    (label, *more) = facts([("Address", "tcp:headend.example.org:8001/with/a/long/path")], width)
    joined = "".join([label.removeprefix("Address"), *more]).replace(" ", "")
    assert joined == "tcp:headend.example.org:8001/with/a/long/path"


def test_the_last_figure_of_a_long_name_is_not_read_as_the_first_of_its_value():
    (line,) = facts([("Active energy import, tariff 1", "1057.68 kWh")], 100)
    assert line.rstrip() == "Active energy import, tariff 1  1057.68 kWh"
