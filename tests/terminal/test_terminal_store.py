"""Settings on a medium that fails: what is refused has not happened, now and after the power was gone."""

import sqlite3
from decimal import Decimal

import pytest
from tests.terminal.box import ADDRESS, WRITER, Table

from kwhub.exchange.change import Verdict
from kwhub.exchange.terminal import read_channel
from kwhub.exchange.terminal_settings import (
    ChannelSettings,
    read_channel_settings,
    write_channel_settings,
    write_initial,
)
from kwhub.terminal.memory import MemoryFault

OTHER = ChannelSettings(constant=3_200, current_max_a=Decimal(100))


@pytest.fixture
def table(tmp_path):
    made = Table(tmp_path)
    yield made
    made.memory.close()


def failing(*_args):
    raise OSError("worn out")


def refusing(*_args):
    raise MemoryFault("full") from sqlite3.OperationalError("full")


def tried(table):
    """Both writings, and what the terminal shows before, after, and when the power came back."""
    table.pulses(1, 500)
    before = table.ask(read_channel(ADDRESS, 1))
    changes = [
        table.ask(write_channel_settings(ADDRESS, 1, OTHER, WRITER)),
        table.ask(write_initial(ADDRESS, 1, Decimal("4711.08"), WRITER)),
    ]
    assert {each.verdict for each in changes} == {Verdict.REFUSED}
    after = table.ask(read_channel(ADDRESS, 1))
    assert (after.pulses, after.register) == (before.pulses, before.register)
    assert table.ask(read_channel_settings(ADDRESS, 1)).constant == 1_000


def test_nothing_counts_on_from_counts_that_are_not_kept(table, monkeypatch):
    table.pulses(1, 100)
    table.box.commit(table.true_us)
    monkeypatch.setattr(table.flash, "append", failing)
    tried(table)
    monkeypatch.undo()
    table.memory.close()  # without a warning
    table.power_up()
    shown = table.ask(read_channel(ADDRESS, 1))
    assert (shown.pulses, shown.register) == (100, Decimal("0.10"))


def test_what_the_memory_does_not_take_has_not_happened(table, monkeypatch):
    monkeypatch.setattr(table.memory, "put", refusing)
    tried(table)
    monkeypatch.undo()
    table.power_cut()
    table.power_up()
    shown = table.ask(read_channel(ADDRESS, 1))
    assert (shown.pulses, shown.register) == (500, Decimal("0.50"))
