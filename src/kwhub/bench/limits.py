"""Limits of a product and how it is set up for them, from TOML files.

Source: every limit carries its own; the files are in ``limits``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from kwhub.bench.instruments import Way
from kwhub.bench.results import KEYS, Limit
from kwhub.domain.errors import ConfigError
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = [
    "DEFAULT",
    "LimitFile",
    "LimitSettings",
    "Setup",
    "check_rows",
    "known_limits",
    "limit_of",
    "load_from",
    "load_limits",
    "names_in",
]

FOLDER: Final = Path(__file__).parent / "limits"
DEFAULT: Final = "meter-940nm"
File = TypeVar("File", bound=Settings)
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class LimitSettings(Settings, frozen=True):
    """One limit."""

    measurement: str
    least: float | None = None
    most: float | None = None
    source: str = ""
    source_zh: str = ""
    verified: bool = False


class Setup(Settings, frozen=True):
    """Under which conditions the measurements are made."""

    reference_m: Positive = 0.5  #: where carrier, times and light are measured
    distance_lux: NotNegative = 3_000.0
    distance_step_m: Positive = 0.02  #: the bisection ends here
    angle_distance_m: Positive = 1.5
    sunlight_distance_m: Positive = 3.0
    sunlight_lux: tuple[Positive, ...] = (1_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0)
    immunity_distance_m: Positive = 1.0
    lamp_mw_m2: NotNegative = 5_000.0
    ballast_mw_m2: NotNegative = 80.0
    second_mw_m2: NotNegative = 0.5
    second_hz: Annotated[float, Meta(ge=15_000, le=500_000)] = 56_000.0
    tries: Annotated[int, Meta(ge=1, le=100)] = 3  #: requests at each place; most must be answered
    immunity_tries: Annotated[int, Meta(ge=1, le=1000)] = 10
    way: Way = "light"  #: how the request of the timing measurements comes
    identifier: Annotated[str, Meta(pattern="^[0-9A-F]{8}$")] = "00010000"
    preamble: Annotated[int, Meta(ge=0, le=4)] = 4
    lux_share: NotNegative = 0.05  #: uncertainty of the illuminance, as a share (k = 2)


class LimitFile(Settings, frozen=True):
    """The limits of a product."""

    title: str
    title_zh: str
    limit: tuple[LimitSettings, ...]
    setup: Setup = msgspec.field(default_factory=Setup)
    name: str = ""

    def of(self, key: str) -> Limit | None:
        """The limit of a measurement."""
        return limit_of(self.limit, key)


def limit_of(rows: Sequence[LimitSettings], key: str) -> Limit | None:
    """The limit of a measurement; None where there is none."""
    for one in rows:
        if one.measurement == key:
            return Limit(one.least, one.most, one.source, one.source_zh, one.verified)
    return None


def names_in(folder: Path) -> list[str]:
    """Names of the limits in a folder of the package."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_from(folder: Path, name: str, kind: type[File], check: Callable[[File], None]) -> File:
    """Limits by name from a folder of the package, or from a file.

    Args:
        folder: of the package.
        name: of limits in it, or of a ``.toml`` file anywhere.
        kind: what stands in the file; has a ``name``.
        check: what no type can tell; raises WrongSetting.

    Raises:
        ConfigError: there are no such limits, or something in them is wrong.
    """
    path = folder / f"{name}.toml"
    if name not in names_in(folder):
        path = Path(name)
        if path.suffix != ".toml":
            known = ", ".join(names_in(folder))
            raise ConfigError(f"there are no limits {name!r}; there are {known}, or a .toml file")
    found = load_toml(path, kind, check=check)
    return msgspec.structs.replace(found, name=getattr(found, "name", "") or path.stem)


def known_limits() -> list[str]:
    """Names of the limits that come with the package."""
    return names_in(FOLDER)


def load_limits(name: str = DEFAULT) -> LimitFile:
    """Limits by name, or from a file; raises ``ConfigError`` for what is wrong."""
    return load_from(FOLDER, name, LimitFile, _check)


def check_rows(rows: Sequence[LimitSettings], known: Sequence[str]) -> None:
    """Raise WrongSetting for the first row that is no limit of one of the known measurements."""
    seen: set[str] = set()
    for place, one in enumerate(rows):
        key = f"limit[{place}]"
        if one.measurement not in known:
            raise WrongSetting(f"{key}.measurement", f"must be one of {', '.join(known)}")
        if one.measurement in seen:
            raise WrongSetting(f"{key}.measurement", "has a limit already")
        seen.add(one.measurement)
        if one.least is None and one.most is None:
            raise WrongSetting(key, "needs least, most or both")
        if one.least is not None and one.most is not None and one.least > one.most:
            raise WrongSetting(f"{key}.least", "is more than most")


def _check(file: LimitFile) -> None:
    check_rows(file.limit, KEYS)
    steps = file.setup.sunlight_lux
    if not steps or list(steps) != sorted(set(steps)):
        raise WrongSetting("setup.sunlight_lux", "must be a list of numbers that rise")
