"""What a node is told, from a file or by AT commands; what was changed is kept over a restart."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta

from kwhub.bluetooth.advertising import Beacon
from kwhub.bluetooth.inspection import InspectionMode, Rules
from kwhub.bluetooth.keystore import write_private
from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.registry import Limits, silent_least_s
from kwhub.domain.errors import ConfigError
from kwhub.runtime.settings import Settings, WrongSetting
from kwhub.wire.passing import Kind

__all__ = ["LINKS_MAX", "NodeSettings", "Role", "SlaveSettings", "Transmission", "load", "save"]

LINKS_MAX = 20
"""More masters or slaves no controller keeps up with."""

ANSWER_S: Mapping[str, float] = MappingProxyType({"slave": 1.0, "both": 2.0, "master": 3.0})
"""Longest wait for an answer: whoever has waited in vain is free again before the one above gives up.

A meter begins to answer within 500 ms.  Source: DL/T 645-2007, clause 5 (Td).
"""

Name = Annotated[
    str,
    Meta(min_length=1, max_length=26, description="text in quotes of 1 to 26 characters"),
]
Uuid = Annotated[
    str,
    Meta(
        pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        description="a UUID in quotes, such as '6e400001-b5a3-f393-e0a9-e50e24dcca9e'",
    ),
]
Patience = Annotated[float, Meta(gt=0, le=60)]
Silence = Annotated[float, Meta(ge=1, le=604_800)]
Count = Annotated[int, Meta(ge=1, le=LINKS_MAX)]
BluetoothAddress = Annotated[
    str,
    Meta(
        pattern="^([C-F][0-9A-F](:[0-9A-F]{2}){5}|[0-9A-F]{2}(:[0-9A-F]{2}){5}/P)$",
        description="six bytes in quotes, such as 'F0:12:34:56:78:9A', with /P when it is public",
    ),
]
MeterNumber = Annotated[
    str,
    Meta(
        pattern="^([0-9]{12}|[0-9]{1,3})$",
        description="twelve digits in quotes, or a primary address of M-Bus, such as '7'",
    ),
]


class Role(Enum):
    """Who a node is."""

    SLAVE = "slave"
    MASTER = "master"
    BOTH = "both"
    BEACON = "beacon"


class Transmission(Enum):
    """How the serial face of a node is read."""

    TRANSPARENT = "transparent"  #: what is written goes where its frames say, or to all
    ADDRESSED = "addressed"  #: one byte with the number of the slave, then the data; FF means all


class SlaveSettings(Settings, frozen=True):
    """A slave that a master keeps a link with."""

    address: BluetoothAddress
    meters: tuple[MeterNumber, ...] = ()  #: behind it; any while it is empty

    @property
    def first(self) -> str | None:
        """The meter under which it is shown."""
        return self.meters[0] if self.meters else None


class NodeSettings(Settings, frozen=True):
    """A node."""

    role: Role = Role.SLAVE  #: both: slave above and master below
    transmission: Transmission = Transmission.TRANSPARENT  #: of the serial face
    inspection: InspectionMode = InspectionMode.REFUSE  #: what becomes of violations
    profile: str = "nus"  #: offered to masters: nus, ffe0 or fff0
    name: Name = "kwhub"  #: in advertisements
    masters_max: Count = 2  #: above
    slaves_max: Count = 3  #: below
    slaves: tuple[SlaveSettings, ...] = ()
    meters: tuple[MeterNumber, ...] = ()  #: that may be addressed at all; any while it is empty
    allow: tuple[Kind, ...] = (Kind.READ, Kind.CLOCK, Kind.WRITE, Kind.CONTROL)  #: from masters
    subscribers: tuple[BluetoothAddress, ...] = ()  #: masters who get a copy of every reading
    answer_s: Patience | None = None  #: wait for an answer: 1 for a slave, 2 both, 3 for a master
    heartbeat_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0  #: between signs of life
    silent_s: Silence = 180.0  #: unheard for so long is silent; well above heartbeat_s
    gone_s: Annotated[float, Meta(ge=0.5, le=86_400)] = 10.0  #: and so is no link for so long
    beacon_uuid: Uuid = "00000000-0000-0000-0000-000000000000"
    beacon_major: Annotated[int, Meta(ge=0, le=65_535)] = 0
    beacon_minor: Annotated[int, Meta(ge=0, le=65_535)] = 0

    def __post_init__(self) -> None:
        """What no single key can tell."""
        if self.profile not in PROFILES:
            raise WrongSetting("profile", "must be one of " + ", ".join(PROFILES))
        if len(self.slaves) > self.slaves_max:
            raise WrongSetting("slaves", f"are more than slaves_max = {self.slaves_max}")
        if len({slave.address for slave in self.slaves}) != len(self.slaves):
            raise WrongSetting("slaves", "have an address twice")
        least_s = silent_least_s(self.heartbeat_s, self.longest_answer_s)
        if self.slaves and self.silent_s < least_s:  # nobody else is watched
            raise WrongSetting(
                "silent_s",
                f"must be at least {least_s:g} with heartbeat_s = {self.heartbeat_s:g} and a wait of "
                f"{self.longest_answer_s:g} s for an answer; raise it, or lower heartbeat_s",
            )

    def slave(self, address: str) -> SlaveSettings:
        """The slave of an address; without meters where it is not among them any more."""
        found = (each for each in self.slaves if each.address == address)
        return next(found, SlaveSettings(address))

    @property
    def patience_s(self) -> float:
        """Longest wait for an answer, s."""
        return ANSWER_S.get(self.role.value, 0.0) if self.answer_s is None else self.answer_s

    @property
    def longest_answer_s(self) -> float:
        """The same in the most patient role, for a node may be given another while it runs."""
        return max(ANSWER_S.values()) if self.answer_s is None else self.answer_s

    @property
    def rules(self) -> Rules:
        """For the inspection."""
        return Rules(self.inspection, frozenset(self.meters), frozenset(self.allow))

    @property
    def limits(self) -> Limits:
        """For the registry."""
        return Limits(silent_s=self.silent_s, gone_s=self.gone_s)

    @property
    def beacon(self) -> Beacon:
        """For the role of a beacon."""
        return Beacon(self.beacon_uuid, self.beacon_major, self.beacon_minor)


class _Kept(msgspec.Struct, frozen=True):
    """What stands in the file of changes at run time."""

    file: dict[str, Any]  #: the settings from which was changed
    changed: dict[str, Any]  #: what was made of them; only what is otherwise


def load(path: Path, settings: NodeSettings) -> NodeSettings:
    """Settings as they were changed at run time, wherever their file says what it said then.

    What somebody has written into the settings file since goes before a change at run time: who
    forbids something there need not know that it was once allowed at the serial face.

    Args:
        path: file of the changes; there may be none.
        settings: from the settings file, as it is now.

    Raises:
        ConfigError: the file of the changes is damaged.
    """
    if not path.exists():
        return settings
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"is no kept setting ({error}); remove it to begin anew", file=str(path)
        ) from error
    now = _plain(settings)
    held = {key: value for key, value in kept.changed.items() if kept.file.get(key) == now.get(key)}
    try:
        made = msgspec.convert({**now, **held}, NodeSettings)
    except msgspec.ValidationError:  # a change no longer fits to what the file says by now
        made = settings
    _tell_overruled(path, kept.changed, _plain(made))
    return made


def _plain(settings: NodeSettings) -> dict[str, Any]:
    """As JSON has it."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    return plain


def _tell_overruled(path: Path, changed: dict[str, Any], now: dict[str, Any]) -> None:
    overruled = sorted(key for key, value in changed.items() if now.get(key) != value)
    if overruled:
        structlog.get_logger("kwhub.bluetooth").warning(
            "settings of the file go before what was changed at run time",
            settings=overruled,
            kept=str(path),
        )


def save(path: Path, settings: NodeSettings, before: NodeSettings) -> None:
    """Keep changes over a restart.

    Args:
        path: where.
        settings: as they shall be.
        before: as the settings file has them.
    """
    file, now = _plain(before), _plain(settings)
    changed = {key: value for key, value in now.items() if file[key] != value}
    data = msgspec.json.encode(_Kept(file, changed))
    write_private(path, msgspec.json.format(data, indent=1))
