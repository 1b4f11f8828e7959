"""A small archive and readings for it, for the tests of the head-end."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from kwhub.headend.config import Area, Config, Meter, Service, Terminal
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.store import Store

__all__ = ["ADDRESSES", "DAYS", "NOON", "Row", "batch", "config", "open_store", "shanghai"]

Row: TypeAlias = tuple[int, str, int, int, int | None]

DAYS = Days(ZoneInfo("Asia/Shanghai"))
NOON = dt.datetime(2026, 3, 4, 4, 0, tzinfo=dt.UTC)  # 12:00 in Shanghai
ADDRESSES = ("000000000031", "000000000038", "000000000045")


def shanghai(day: int, hour: int = 0, minute: int = 0) -> int:
    """A moment of March 2026 in Shanghai, in seconds since 1970."""
    return int(dt.datetime(2026, 3, day, hour, minute, tzinfo=DAYS.zone).timestamp())


def config(path: Path | str = "unused.sqlite", **service: object) -> Config:
    """One area: a supply meter with a ratio of 10, two customers; one terminal."""
    supply, one, two = ADDRESSES
    meters = (
        Meter(address=supply, point=1, kind="supply", ratio=10, phases=3, name="Supply"),
        Meter(address=one, point=2, name="Flat 1"),
        Meter(address=two, point=3, name="Flat 2 100%"),
    )
    terminal = Terminal(region="4101", terminal=2082, name="Pole 7", meter=meters)
    area = Area(code="A1", name="Willow Lane", name_zh="柳巷", terminal=(terminal,))
    return Config(headend=Service(store=str(path), uplink="", **service), area=(area,))  # type: ignore[arg-type]


def open_store(path: Path | str, settings: Config | None = None) -> Store:
    return Store(Database(str(path)), DAYS, settings or config(path))


def batch(rows: Sequence[Row], *, received_at: dt.datetime = NOON) -> Batch:
    return Batch(1, received_at, "test", Columns.from_rows(rows))
