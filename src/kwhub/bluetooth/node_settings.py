"""What a node is told, from a file or by AT commands; what was changed is kept over a restart."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from kwhub.bluetooth.advertising import Beacon
from kwhub.bluetooth.inspection import InspectionMode, Rules
from kwhub.bluetooth.keystore import write_private
from kwhub.bluetooth.profiles import PROFILES
from kwhub.domain.errors import ConfigError
from kwhub.runtime.settings import Settings, WrongSetting
from kwhub.wire.passing import Kind

__all__ = ["LINKS_MAX", "NodeSettings", "Role", "SlaveSettings", "Transmission", "load", "save"]

LINKS_MAX = 20
"""More masters or slaves no controller keeps up with."""

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


class NodeSettings(Settings, frozen=True):
    """A node."""

    role: Role = Role.SLAVE  #: both: slave above and master below
    transmission: Transmission = Transmission.TRANSPARENT  #: of the serial face
    inspection: InspectionMode = InspectionMode.REFUSE  #: what becomes of violations
    profile: str = "nus"  #: offered to masters: nus, ffe0 or fff0
    name: Annotated[str, Meta(min_length=1, max_length=26)] = "kwhub"  #: in advertisements
    masters_max: Count = 2  #: above
    slaves_max: Count = 3  #: below
    slaves: tuple[SlaveSettings, ...] = ()
    meters: tuple[MeterNumber, ...] = ()  #: that may be addressed at all; any while it is empty
    allow: tuple[Kind, ...] = (Kind.READ, Kind.CLOCK, Kind.WRITE, Kind.CONTROL)  #: from masters
    subscribers: tuple[BluetoothAddress, ...] = ()  #: masters who get a copy of every reading
    answer_s: Annotated[float, Meta(gt=0, le=60)] = 2.0  #: longest wait for an answer
    heartbeat_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0  #: between signs of life
    silent_s: Annotated[float, Meta(ge=1, le=604_800)] = 180.0  #: unheard for so long is silent
    gone_s: Annotated[float, Meta(ge=0.5, le=86_400)] = 10.0  #: and so is no link for so long
    beacon_uuid: str = "00000000-0000-0000-0000-000000000000"
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

    @property
    def rules(self) -> Rules:
        """For the inspection."""
        return Rules(self.inspection, frozenset(self.meters), frozenset(self.allow))

    @property
    def beacon(self) -> Beacon:
        """For the role of a beacon."""
        return Beacon(self.beacon_uuid, self.beacon_major, self.beacon_minor)


def load(path: Path) -> NodeSettings | None:
    """What was changed at run time; None when nothing was.

    Raises:
        ConfigError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=NodeSettings)
    except (msgspec.DecodeError, WrongSetting) as error:
        raise ConfigError(
            f"is no kept setting ({error}); remove it to begin anew", file=str(path)
        ) from error


def save(path: Path, settings: NodeSettings) -> None:
    """Keep settings over a restart."""
    write_private(path, msgspec.json.format(msgspec.json.encode(settings), indent=1))
