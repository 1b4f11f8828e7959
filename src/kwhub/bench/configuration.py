"""Which instruments a bench has, from a TOML file."""

from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kwhub.bench.instruments import ROLES, Bench, InstrumentError
from kwhub.bench.scpi import Connection
from kwhub.bench.scpi_instruments import COMMANDS, ScpiInstrument
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = [
    "FactSettings",
    "InstrumentFile",
    "InstrumentSettings",
    "build_bench",
    "load_instruments",
]

OPTIONAL = ("disturber", "loader")
LinkText = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9-]*:", description="a link address such as 'tcp:10.0.0.7:5025'"),
]
Seconds = Annotated[float, Meta(gt=0, le=600)]
Metres = Annotated[float, Meta(gt=0, le=100)]


class InstrumentSettings(Settings, frozen=True):
    """One instrument."""

    link: LinkText
    timeout_s: Seconds = 10.0
    commands: dict[str, str] = msgspec.field(default_factory=dict)


class FactSettings(Settings, frozen=True):
    """What the bench can do, and how well."""

    resolution_deg: Annotated[float, Meta(gt=0, le=10)] = 0.5
    distance_least_m: Metres = 0.1
    distance_most_m: Metres = 10.0
    angle_most_deg: Annotated[float, Meta(gt=0, le=89)] = 60.0
    spectrometer_nm: Annotated[float, Meta(ge=0, le=50)] = 1.0
    clock_ppm: Annotated[float, Meta(ge=0, le=10_000)] = 20.0


class InstrumentFile(Settings, frozen=True):
    """The whole file: one table for each role."""

    stage: InstrumentSettings | None = None
    lamp: InstrumentSettings | None = None
    spectrometer: InstrumentSettings | None = None
    power_meter: InstrumentSettings | None = None
    analyser: InstrumentSettings | None = None
    head: InstrumentSettings | None = None
    disturber: InstrumentSettings | None = None
    loader: InstrumentSettings | None = None
    facts: FactSettings = msgspec.field(default_factory=FactSettings)


def load_instruments(path: str | Path) -> InstrumentFile:
    """Read the file; raises ``ConfigError`` with line and key for what is wrong in it."""
    return load_toml(path, InstrumentFile, check=_check)


def _check(file: InstrumentFile) -> None:
    missing = [role for role in ROLES if getattr(file, role) is None and role not in OPTIONAL]
    if missing:
        raise WrongSetting(
            missing[0], f"no such instrument; write [{missing[0]}] with link = 'tcp:host:5025'"
        )
    if file.facts.distance_least_m >= file.facts.distance_most_m:
        raise WrongSetting("facts.distance_most_m", "must be more than distance_least_m")
    for role in ROLES:
        settings: InstrumentSettings | None = getattr(file, role)
        for name, text in settings.commands.items() if settings else ():
            _check_command(role, name, text)


def _check_command(role: str, name: str, text: str) -> None:
    key = f"{role}.commands.{name}"
    default = COMMANDS[role].get(name)
    if default is None:
        raise WrongSetting(key, f"is not a known command; there are {', '.join(COMMANDS[role])}")
    known = _fields(default)
    try:
        used = _fields(text)
        text.format(**dict.fromkeys(used, "0" if role in ("head", "loader") else 0.0))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise WrongSetting(key, f"the braces do not fit: {error}") from error
    if not used <= known or "\n" in text:
        there = ", ".join(f"{{{word}}}" for word in sorted(known)) or "no values in braces"
        raise WrongSetting(key, f"may hold {there}, on one line")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def build_bench(file: InstrumentFile, clock: Clock) -> tuple[Bench, list[Connection]]:
    """The bench and its connections, which the caller closes; nothing is opened yet."""
    shared: dict[str, Connection] = {}
    parts: dict[str, ScpiInstrument] = {}
    for role in ROLES:
        settings: InstrumentSettings | None = getattr(file, role)
        if settings is None:
            continue
        connection = shared.get(settings.link)
        if connection is None:
            connection = Connection(f"{role} at {settings.link}", _opener(settings.link, clock))
            shared[settings.link] = connection
        else:
            connection.name = f"{role}, {connection.name}"
        parts[role] = ScpiInstrument(connection, role, settings.timeout_s, settings.commands)
    return _bench(parts, msgspec.structs.asdict(file.facts)), list(shared.values())


def _bench(parts: Mapping[str, ScpiInstrument], facts: Mapping[str, Any]) -> Bench:
    for role in ROLES:
        if role not in parts and role not in OPTIONAL:
            raise InstrumentError(f"the bench has no {role}")
    return Bench(
        stage=parts["stage"],
        lamp=parts["lamp"],
        spectrometer=parts["spectrometer"],
        power_meter=parts["power_meter"],
        analyser=parts["analyser"],
        head=parts["head"],
        disturber=parts.get("disturber"),
        loader=parts.get("loader"),
        **facts,
    )


def _opener(address: str, clock: Clock) -> Any:
    async def opened() -> Link:
        return await open_link(address, clock=clock)

    return opened
