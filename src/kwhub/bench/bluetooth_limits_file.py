"""Limits of Bluetooth links and the radio that they hold for, from TOML files.

Source: every limit carries its own; the files are in ``bluetooth_limits``.
"""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from kwhub.bench.limits import LimitSettings, check_rows, limit_of, load_from, names_in
from kwhub.bench.results import Limit
from kwhub.runtime.settings import Settings, WrongSetting

__all__ = [
    "BLUETOOTH_DEFAULT",
    "BLUETOOTH_KEYS",
    "BluetoothLimits",
    "known_bluetooth_limits",
    "load_bluetooth_limits",
]

FOLDER: Final = Path(__file__).parent / "bluetooth_limits"
BLUETOOTH_DEFAULT: Final = "courtyard"
BLUETOOTH_KEYS: Final = ("rate", "p50", "p95", "p99", "loss", "throughput", "reconnect")
Side = Annotated[int, Meta(ge=1, le=100)]


class BluetoothLimits(Settings, frozen=True):
    """Limits, the matrix and the radio."""

    title: str
    title_zh: str
    limit: tuple[LimitSettings, ...]
    sizes: tuple[tuple[Side, Side], ...]  #: masters and slaves; each master reads each slave
    distances_m: tuple[Annotated[float, Meta(ge=1, le=500)], ...]
    cycles: Annotated[int, Meta(ge=1, le=10_000)] = 30  #: readings on each link
    interval_ms: Annotated[float, Meta(ge=7.5, le=4_000)] = 30.0  #: connection interval
    supervision_s: Annotated[float, Meta(ge=0.1, le=32)] = 4.0
    interference: Annotated[float, Meta(ge=0, lt=1)] = 0.0  #: share of packets lost beside weakness
    exponent: Annotated[float, Meta(ge=1.5, le=6)] = 2.0  #: 2 in the open, 3 to 4 through walls
    name: str = ""

    def of(self, key: str) -> Limit | None:
        """The limit of a figure."""
        return limit_of(self.limit, key)


def known_bluetooth_limits() -> list[str]:
    """Names of the limits that come with the package."""
    return names_in(FOLDER)


def load_bluetooth_limits(name: str = BLUETOOTH_DEFAULT) -> BluetoothLimits:
    """Limits by name, or from a file; raises ``ConfigError`` for what is wrong."""
    return load_from(FOLDER, name, BluetoothLimits, _check)


def _check(file: BluetoothLimits) -> None:
    check_rows(file.limit, BLUETOOTH_KEYS)
    if not file.sizes or not file.distances_m:
        raise WrongSetting("sizes", "and distances_m must have one entry or more")
