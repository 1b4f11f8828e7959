"""Settings that an administrator changes while the head-end runs: kept in the store, in front of those of the file.

Everything else in the settings file holds from start to end of the process: addresses, the time zone that the stored
days are cut by, key files. What limits harm (trips in an hour, who is never tripped) stays in the file on purpose:
whoever steals an administrator's session cannot widen it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import inspect, structs
from sqlalchemy import Connection, delete, select

from kwhub.domain.errors import LocalError
from kwhub.headend.config import Config
from kwhub.headend.people import trail
from kwhub.headend.store.database import Database, upsert
from kwhub.headend.store.schema_site import chosen
from kwhub.runtime.clock import Clock
from kwhub.runtime.settings import WrongSetting, expected

__all__ = ["CHANGEABLE", "Bounds", "Choice", "Choices", "WrongChoice", "bounds_of", "in_force"]

CHANGEABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bills": ("name", "address", "contact", "note"),
        "pages": ("language",),
        "access": ("idle_s", "session_s", "requests_per_s", "requests_burst"),
        "retention": ("curves_days", "freezes_days", "events_days", "sessions_days"),
    }
)
"""Keys that may change at run time, by table of the settings file."""


LEAST: Mapping[str, float] = MappingProxyType(
    {"access.requests_per_s": 1.0, "access.requests_burst": 50}
)
"""What may not be chosen smaller while the head-end runs: with less nobody could open a page to take it back."""


class WrongChoice(LocalError):
    """A value that cannot be.

    Attributes:
        name: the setting, such as ``retention.events_days``.
        what: what would be right, in English.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name
        self.what = what


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a value may be.

    Attributes:
        kind: ``whole``, ``number``, ``text`` or ``one_of``.
        low: least value, None without one.
        high: largest value, for a text its length; None without one.
        options: of ``one_of``.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting that may be changed.

    Attributes:
        name: table and key, such as ``retention.events_days``.
        value: in force.
        at_start: of the settings file; it holds again when the choice is taken back.
        default: without anything in the file.
        at: when it was chosen; None as long as it is that of the file.
        who: chose it.
    """

    name: str
    value: Any
    at_start: Any
    default: Any
    bounds: Bounds
    at: datetime | None = None
    who: str = ""

    @property
    def is_default(self) -> bool:
        """Whether the settings file says nothing else than what holds without it."""
        return bool(self.at_start == self.default)

    @property
    def table(self) -> str:
        """Of the settings file."""
        return self.name.partition(".")[0]


@dataclass(slots=True)
class Choices:
    """What is chosen; one for each process.

    Attributes:
        config: the settings in force: those of the file with what is chosen in front.
        told: called with them after every change.
    """

    database: Database
    clock: Clock
    file: Config
    told: list[Callable[[Config], None]] = field(default_factory=list)
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        with self.database.read() as connection:
            self.config = in_force(connection, self.file)

    def listed(self) -> list[Choice]:
        """Everything that may be changed, table by table. Raises StoreError."""
        with self.database.read() as connection:
            rows = {row.name: row for row in connection.execute(select(chosen))}
        return [
            Choice(
                name,
                _value(self.config, name),
                _value(self.file, name),
                _value(Config(), name),
                bounds_of(self.file, name),
                rows[name].at if name in rows else None,
                rows[name].who if name in rows else "",
            )
            for name in _names()
        ]

    def change(self, values: Mapping[str, Any], by: str) -> list[str]:
        """Choose values; those that are the file's own need no choice. Nothing changes when one is wrong.

        Args:
            values: by name; texts are read as what they stand for.
            by: who chooses, for the audit trail.

        Returns:
            the names of the settings whose value is another one now.

        Raises:
            WrongChoice: a value cannot be, or the setting is none that may change.
            StoreError: the store does not take it.
        """
        for name in values:
            if name not in set(_names()):
                raise WrongChoice(name, "cannot be changed while the head-end runs")
        now = self.clock.now()
        with self.database.write() as connection:
            before = in_force(connection, self.file)
            after = _with(before, values)
            for name, least in LEAST.items():
                if name in values and not least <= _value(after, name) < inf:
                    raise WrongChoice(name, f"must be a number of at least {least:g}")
            changed = [each for each in values if _value(before, each) != _value(after, each)]
            for name in changed:
                _write(connection, name, _value(after, name), _value(self.file, name), now, by)
                detail = f"{_json(_value(before, name))} -> {_json(_value(after, name))}"
                trail.record(connection, by, "setting", name, detail, now)
        self.config = after
        for tell in self.told:
            tell(after)
        return changed


def in_force(connection: Connection, config: Config) -> Config:
    """The settings of the file with what is chosen in front; a choice that cannot be any more does not count."""
    for row in connection.execute(select(chosen).order_by(chosen.c.name)):
        if row.name in set(_names()):
            try:
                config = _with(config, {row.name: msgspec.json.decode(row.value)})
            except WrongChoice:  # the rules of this version are others
                continue
    return config


def bounds_of(config: Config, name: str) -> Bounds:
    """What a setting may be."""
    kind = _bare(_type(config, name))
    if isinstance(kind, inspect.LiteralType):
        return Bounds("one_of", options=tuple(str(each) for each in kind.values))
    if isinstance(kind, inspect.StrType):
        return Bounds("text", high=kind.max_length)
    above = None if kind.gt is None else float(kind.gt)
    low = LEAST.get(name, above if kind.ge is None else float(kind.ge))
    high = None if kind.le is None else float(kind.le)
    return Bounds("whole" if isinstance(kind, inspect.IntType) else "number", low, high)


def _names() -> Iterator[str]:
    return (f"{table}.{key}" for table, keys in CHANGEABLE.items() for key in keys)


def _type(config: Config, name: str) -> Any:
    table, _, key = name.partition(".")
    info: Any = inspect.type_info(type(getattr(config, table)))
    return next(each.type for each in info.fields if each.name == key)


def _bare(kind: Any) -> Any:
    """A type without the words about it."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _value(config: Config, name: str) -> Any:
    table, _, key = name.partition(".")
    return getattr(getattr(config, table), key)


def _with(config: Config, values: Mapping[str, Any]) -> Config:
    """The settings with other values, each table checked as a whole. Raises WrongChoice."""
    for table in CHANGEABLE:
        own = {
            name.partition(".")[2]: value
            for name, value in values.items()
            if name.partition(".")[0] == table
        }
        if own:
            config = structs.replace(config, **{table: _table(config, table, own)})
    return config


def _table(config: Config, table: str, own: Mapping[str, Any]) -> Any:
    before = getattr(config, table)
    for key, value in own.items():
        asked = value.strip() if isinstance(value, str) else value
        try:  # one by one, so that it is known which one is wrong
            before = msgspec.convert(
                {**msgspec.to_builtins(before), key: asked}, type(before), strict=False
            )
        except msgspec.ValidationError as error:
            name, cause = f"{table}.{key}", error.__cause__
            what = f"must be {expected(_type(config, name))}"
            if isinstance(cause, WrongSetting):
                what = cause.what
            raise WrongChoice(name, what) from error
    return before


def _write(
    connection: Connection, name: str, value: Any, at_start: Any, now: datetime, by: str
) -> None:
    if value == at_start:
        connection.execute(delete(chosen).where(chosen.c.name == name))
        return
    row = {"name": name, "value": _json(value), "at": now, "who": by[: trail.WHO_MAX]}
    upsert(connection, chosen, [row])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
