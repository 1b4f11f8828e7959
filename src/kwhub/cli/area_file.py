"""The file of a simulated area: what hangs below one concentrator, and what goes wrong when."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from kwhub.concentrator.config import PlanSettings
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = ["AreaFile", "ClockStep", "PowerCut", "UplinkCut", "load_area"]

HOURS_MAX: Final = 24 * 366
METERS_LEAST: Final = 3
MINUTES_MAX: Final = 10_080

Hours: TypeAlias = Annotated[float, Meta(ge=0, le=HOURS_MAX)]
Minutes: TypeAlias = Annotated[float, Meta(gt=0, le=MINUTES_MAX)]


class UplinkCut(Settings, frozen=True):
    """The head-end cannot be reached for a while."""

    after_h: Hours  #: hours from the beginning
    hours: Annotated[float, Meta(gt=0, le=HOURS_MAX)]


class PowerCut(Settings, frozen=True):
    """The concentrator is without power for a while; what it had not stored is gone."""

    after_h: Hours  #: hours from the beginning
    minutes: Minutes = 5.0


class ClockStep(Settings, frozen=True):
    """The concentrator's clock is wrong for a while."""

    after_h: Hours  #: hours from the beginning
    seconds: Annotated[int, Meta(ge=-86_400, le=86_400)]  #: ahead; behind when below zero
    minutes: Minutes = 30.0


class AreaFile(Settings, frozen=True):
    """What the file says; every number has a default."""

    buses: Annotated[int, Meta(ge=1, le=8)] = 3  #: RS-485 lines
    meters_a_bus: Annotated[int, Meta(ge=1, le=128)] = 32
    baud: Literal[1200, 2400, 4800, 9600] = 2400  #: of the RS-485 lines
    damage: Annotated[float, Meta(ge=0, le=0.5)] = 0.01  #: share of frames damaged on the lines
    mbus_meters: Annotated[int, Meta(ge=0, le=250)] = 20  #: water, heat and gas on one M-Bus line
    module_meters: Annotated[int, Meta(ge=0, le=1_000)] = 200  #: behind one power line module
    module_loss: Annotated[float, Meta(ge=0, le=0.5)] = 0.05  #: share of frames lost on each hop
    plan: PlanSettings = PlanSettings(history_days=0, hourly_from="record")
    uplink_cut: tuple[UplinkCut, ...] = ()
    power_cut: tuple[PowerCut, ...] = ()
    clock_step: tuple[ClockStep, ...] = ()

    def __post_init__(self) -> None:
        if self.buses * self.meters_a_bus < METERS_LEAST:
            raise WrongSetting("meters_a_bus", "an area has at least three meters on its lines")


def load_area(path: Path) -> AreaFile:
    """Read an area. Raises ConfigError, which says file, line, key and remedy."""
    return load_toml(path, AreaFile)
