"""The settings of a concentrator, from a TOML file; every mistake is told with line, key and remedy."""

import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kwhub.concentrator.config_bluetooth import BluetoothMeterSettings, BluetoothSettings
from kwhub.concentrator.config_downlinks import (
    BusSettings,
    MbusMeterSettings,
    MbusSettings,
    MeterSettings,
    ModuleSettings,
    Name,
    PointSettings,
    record_address,
)
from kwhub.concentrator.config_uplink import (
    MetricsSettings,
    StandbySettings,
    StoreSettings,
    UplinkSettings,
)
from kwhub.concentrator.config_watch import ClockSettings, EventSettings
from kwhub.concentrator.served_rights import HeadEndSettings
from kwhub.domain.errors import ConfigError
from kwhub.links.address import parse
from kwhub.protocols.gdw1376.frames import Profile
from kwhub.protocols.gdw1376.profiles import DEFAULT, PROFILES, profile_named, terminal_max
from kwhub.runtime.settings import Settings, WrongSetting, load_toml, parse_toml

__all__ = [
    "BluetoothMeterSettings",
    "BluetoothSettings",
    "BusSettings",
    "Config",
    "Downlink",
    "Identity",
    "MbusMeterSettings",
    "MbusSettings",
    "MeterSettings",
    "MetricsSettings",
    "ModuleSettings",
    "PlanSettings",
    "StandbySettings",
    "StoreSettings",
    "UplinkSettings",
    "load",
    "loads",
]

Downlink: TypeAlias = BusSettings | MbusSettings | ModuleSettings | BluetoothSettings
"""Whatever has a port and meters."""

Region: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{4}$", description="four digits in quotes, such as '4101'")
]
Terminal: TypeAlias = Annotated[int, Meta(ge=1, le=4_294_967_294)]
"""Source: Q/GDW 1376.1-2013, address field A2; the largest number is broadcast."""


class Identity(Settings, frozen=True):
    """Who the concentrator is, where it stands and where it keeps things."""

    region: Region
    terminal: Terminal  #: at most 65534 but for profile jilin
    name: Name = ""
    zone: str = "Asia/Shanghai"  #: IANA zone of the wall time in meters and on the uplink
    store: str = "concentrator.sqlite"  #: in a file: relative to the folder of the file
    profile: str = DEFAULT  #: spoken on the uplink: edition 2013, 2009 or 2005, or province jilin

    def __post_init__(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise WrongSetting(
                "zone", f"must be an IANA zone such as 'Asia/Shanghai', not {self.zone!r}"
            ) from None
        if self.profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise WrongSetting("profile", f"must be one of {known}, not {self.profile!r}")
        most = terminal_max(self.spoken)
        if self.terminal > most:
            what = f"must be a number from 1 to {most}, not {self.terminal}"
            raise WrongSetting("terminal", f"{what}, in profile {self.profile}")

    @property
    def spoken(self) -> Profile:
        """The profile itself."""
        return profile_named(self.profile)

    @property
    def tzinfo(self) -> zoneinfo.ZoneInfo:
        """The zone itself."""
        return zoneinfo.ZoneInfo(self.zone)


class PlanSettings(Settings, frozen=True):
    """What is read from every meter, and when."""

    curve_minutes: Literal[0, 15, 30, 60] = 15  #: spacing of the load record; 0: no curve
    hourly: bool = True  #: power, voltage, current, power factor at full hours; of 1997 energy, too
    hourly_from: Literal["live", "record"] = "live"  #: read at present, or from the load record
    day_freeze: bool = True  #: the frozen energy of each midnight
    tariffs: Annotated[int, Meta(ge=0, le=14)] = 4  #: tariffs of the day freeze beside the total
    history_days: Annotated[int, Meta(ge=0, le=62)] = 1  #: asked of a meter that is new to the plan
    settle_s: Annotated[int, Meta(ge=0, le=900)] = 60  #: after the full hour before reading begins
    retry_s: Annotated[int, Meta(ge=10, le=3_600)] = 300  #: first pause before a gap is tried again
    hourly_window_s: Annotated[int, Meta(ge=60, le=3_540)] = 900  #: a present value still counts
    meter_keeps_days: Annotated[int, Meta(ge=1, le=366)] = 62  #: load record and day freezes
    keep_delivered_days: Annotated[int, Meta(ge=1, le=3_660)] = 62  #: in the concentrator's store

    def __post_init__(self) -> None:
        if self.hourly_window_s <= self.settle_s:
            raise WrongSetting("hourly_window_s", "must be more than settle_s")


class Config(Settings, frozen=True):
    """Everything; numbers and addresses that must be unique are."""

    concentrator: Identity
    uplink: UplinkSettings
    bus: tuple[BusSettings, ...] = ()
    plan: PlanSettings = PlanSettings()
    head_end: HeadEndSettings = HeadEndSettings()
    clock: ClockSettings = ClockSettings()
    events: EventSettings = EventSettings()
    standby: StandbySettings | None = None
    store: StoreSettings = StoreSettings()
    metrics: MetricsSettings = MetricsSettings()
    mbus: tuple[MbusSettings, ...] = ()
    module: tuple[ModuleSettings, ...] = ()
    bluetooth: tuple[BluetoothSettings, ...] = ()

    @property
    def downlinks(self) -> dict[str, Downlink]:
        """Everything with a port and meters, by its place in the file, such as ``bus[0]``."""
        found: dict[str, Downlink] = {}
        found |= {f"bus[{number}]": each for number, each in enumerate(self.bus)}
        found |= {f"mbus[{number}]": each for number, each in enumerate(self.mbus)}
        found |= {f"module[{number}]": each for number, each in enumerate(self.module)}
        found |= {f"bluetooth[{number}]": each for number, each in enumerate(self.bluetooth)}
        return found

    def __post_init__(self) -> None:
        if self.standby is not None and self.standby.priority == self.uplink.priority:
            raise WrongSetting("standby.priority", "must not be that of [uplink]")
        downlinks = self.downlinks
        if not downlinks:
            raise WrongSetting(
                "bus", "at least one [[bus]] is needed, [[mbus]], [[module]] or [[bluetooth]]"
            )
        _unique((f"{key}.name", each.name) for key, each in downlinks.items())
        _unique((f"{key}.port", each.port) for key, each in downlinks.items())
        meters: list[tuple[str, int, PointSettings]] = []
        for key, each in downlinks.items():
            below: tuple[PointSettings, ...] = each.meter
            meters += [(f"{key}.meter[{at}]", each.port, meter) for at, meter in enumerate(below)]
        _unique((f"{key}.point", meter.point) for key, _, meter in meters)
        _unique(
            (f"{key}.address", record_address(meter.address, port)) for key, port, meter in meters
        )


def load(path: str | Path) -> Config:
    """Read the settings from a file; a relative store lies in the folder of the file.

    Raises:
        ConfigError: names file, line and key, and says what would be right.
    """
    config = load_toml(path, Config, check=_addresses_make_sense)
    store = Path(path).parent / config.concentrator.store
    identity = msgspec.structs.replace(config.concentrator, store=str(store))
    folder = Path(path).parent
    return msgspec.structs.replace(
        config,
        concentrator=identity,
        head_end=config.head_end.within(folder),
        bluetooth=tuple(each.within(folder) for each in config.bluetooth),
    )


def loads(text: str, *, file: str = "") -> Config:
    """Read the settings from text in memory.

    Raises:
        ConfigError: see :func:`load`.
    """
    return parse_toml(text, Config, file=file, check=_addresses_make_sense)


def _unique(pairs: Iterable[tuple[str, object]]) -> None:
    seen: dict[object, str] = {}
    for key, value in pairs:
        if value in seen:
            raise WrongSetting(key, f"{value!r} is already used by {seen[value]}")
        seen[value] = key


def _addresses_make_sense(config: Config) -> None:
    """Find wrong link addresses before anything is opened."""
    texts = [(f"{key}.address", each.address) for key, each in config.downlinks.items()]
    if config.standby is not None:
        texts.append(("standby.address", config.standby.address))
    for key, text in [("uplink.address", config.uplink.address), *texts]:
        try:
            parse(text)
        except ConfigError as error:
            raise WrongSetting(key, error.what) from error
