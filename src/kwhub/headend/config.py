"""Settings of the head-end and its archive, from one TOML file."""

from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = ["Area", "Config", "Meter", "Service", "Terminal", "load"]

HEARTBEAT_S = 300
"""Heartbeat period that concentrators are expected to keep, in seconds."""

PACK_ROWS = 20_000
"""Readings in the journal at which it is packed into day vectors."""

PACK_INTERVAL_S = 21_600
"""Longest time that a reading stays in the journal alone, in seconds."""

Address = Annotated[
    str, Meta(pattern=r"^\d{12}$", description="the twelve digits printed on the meter, in quotes")
]
Region = Annotated[
    str,
    Meta(pattern=r"^\d{4}$", description='a region code of four digits in quotes, such as "4101"'),
]
Name = Annotated[str, Meta(max_length=200, description="text in quotes of at most 200 characters")]
Code = Annotated[
    str, Meta(min_length=1, max_length=64, description="text in quotes of 1 to 64 characters")
]
Ratio = Annotated[
    str | int,
    Meta(description='the product of current and voltage transformer ratios, such as 60 or "1.5"'),
]


class Meter(Settings, frozen=True):
    """One meter behind a terminal."""

    address: Address
    point: Annotated[int, Meta(ge=1, le=2040)]
    port: Annotated[int, Meta(ge=1, le=31)] = 2
    name: Name = ""
    phases: Literal[1, 3] = 1
    kind: Literal["customer", "supply"] = "customer"
    ratio: Ratio = 1
    baud: Literal[300, 600, 1200, 2400, 4800, 7200, 9600, 19200] = 2400
    protocol: Literal["dlt645-2007", "dlt645-1997"] = "dlt645-2007"
    curve_minutes: Literal[0, 15, 30, 60] = 15  #: these four as in the concentrator's plan:
    hourly: bool = True  #: what is read there is what is expected here
    day_freeze: bool = True  #: a meter of DL/T 645-1997 has neither curve nor freeze
    tariffs: Annotated[int, Meta(ge=0, le=14)] = 4  #: of the day freeze, beside the total

    def __post_init__(self) -> None:
        try:
            usable = self.factor.is_finite() and self.factor > 0 and len(str(self.factor)) <= 32
        except ArithmeticError:
            usable = False
        if not usable:
            raise WrongSetting("ratio", 'must be a number above 0, such as 60 or "1.5"')

    @property
    def factor(self) -> Decimal:
        """The ratio as an exact number."""
        return Decimal(self.ratio)


class Terminal(Settings, frozen=True):
    """One concentrator."""

    region: Region
    terminal: Annotated[int, Meta(ge=1, le=65534)]
    name: Name = ""
    meter: tuple[Meter, ...] = ()

    def __post_init__(self) -> None:
        _distinct("meter", "point", [meter.point for meter in self.meter])


class Area(Settings, frozen=True):
    """One transformer area."""

    code: Code
    name: Name
    name_zh: Name = ""
    terminal: tuple[Terminal, ...] = ()


class Service(Settings, frozen=True):
    """The service itself."""

    store: str = "headend.sqlite"  #: a file for SQLite, or an SQLAlchemy address such as postgresql+psycopg://
    uplink: str = "tcp-listen:127.0.0.1:8001"  #: where concentrators connect; empty: nowhere
    web: str = "127.0.0.1:8080"
    zone: str = "Asia/Shanghai"
    heartbeat_s: Annotated[int, Meta(ge=10, le=86_400)] = HEARTBEAT_S
    power_safe: bool = True  #: false for trials only: a power cut may then take the newest seconds
    pack_rows: Annotated[int, Meta(ge=1)] = PACK_ROWS
    pack_interval_s: Annotated[int, Meta(ge=1)] = PACK_INTERVAL_S

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise WrongSetting(
                "zone", f"{self.zone!r} is not a zone such as Asia/Shanghai"
            ) from None


class Config(Settings, frozen=True):
    """The whole file."""

    headend: Service = Service()
    area: tuple[Area, ...] = ()

    def __post_init__(self) -> None:
        _distinct("area", "code", [area.code for area in self.area])
        terminals = [(each.region, each.terminal) for area in self.area for each in area.terminal]
        if (index := _repeated(terminals)) is not None:
            region, number = terminals[index]
            raise WrongSetting("area", f"terminal {region}-{number:05} is there twice")
        addresses = [meter.address for meter in self.meters()]
        if (index := _repeated(addresses)) is not None:
            raise WrongSetting("area", f"meter {addresses[index]} is there twice")

    def meters(self) -> Iterator[Meter]:
        """Every meter of every area."""
        for area in self.area:
            for terminal in area.terminal:
                yield from terminal.meter


def load(path: str | Path) -> Config:
    """Read the settings.

    Raises:
        ConfigError: with file, line, key and what would be right.
    """
    return load_toml(path, Config)


def _distinct(table: str, key: str, values: Sequence[Hashable]) -> None:
    index = _repeated(values)
    if index is not None:
        raise WrongSetting(f"{table}[{index}].{key}", f"{values[index]!r} is there twice")


def _repeated(values: Sequence[Hashable]) -> int | None:
    """Index of the first value that was there before."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            return index
        seen.add(value)
    return None
