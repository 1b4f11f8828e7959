"""What a node says of itself while it is not connected: its service and name, or a beacon.

Source: Core Specification Supplement, Part A, 1 (data types); the published iBeacon layout.
"""

import uuid
from dataclasses import dataclass

from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement

from kwhub.bluetooth.profiles import PROFILES, Profile
from kwhub.domain.errors import LocalError

__all__ = ["ADVERTISING_BYTES_MAX", "Beacon", "Seen", "advertisement", "read_advertisement"]

ADVERTISING_BYTES_MAX = 31
APPLE = 0x004C
BEACON_HEAD = b"\x02\x15"
FLAGS = 0x06
"""General discoverable, no BR/EDR."""

_Type = AdvertisingData.Type


@dataclass(frozen=True, slots=True)
class Beacon:
    """What a beacon repeats; nobody can connect to it."""

    identifier: str  #: a UUID
    major: int = 0
    minor: int = 0
    power_dbm: int = -59  #: signal at one metre

    def payload(self) -> bytes:
        """The advertising data. Raises LocalError when a field does not fit."""
        try:
            body = uuid.UUID(self.identifier).bytes
            body += self.major.to_bytes(2) + self.minor.to_bytes(2)
            body += self.power_dbm.to_bytes(1, signed=True)
        except (ValueError, OverflowError) as error:
            raise LocalError(f"a beacon with {self} cannot be: {error}") from error
        return bytes(
            AdvertisingData(
                [
                    (_Type.FLAGS, bytes([FLAGS])),
                    (
                        _Type.MANUFACTURER_SPECIFIC_DATA,
                        APPLE.to_bytes(2, "little") + BEACON_HEAD + body,
                    ),
                ]
            )
        )

    @classmethod
    def read(cls, payload: bytes) -> "Beacon | None":
        """The beacon in manufacturer data (company first); None when it is none."""
        head = APPLE.to_bytes(2, "little") + BEACON_HEAD
        if not payload.startswith(head) or len(payload) != len(head) + 21:
            return None
        body = payload[len(head) :]
        return cls(
            str(uuid.UUID(bytes=body[:16])),
            int.from_bytes(body[16:18]),
            int.from_bytes(body[18:20]),
            int.from_bytes(body[20:21], signed=True),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A device that a scan has heard."""

    address: str
    name: str
    rssi_dbm: int
    profiles: tuple[str, ...]  #: names of those of `PROFILES` that it offers
    is_connectable: bool
    beacon: Beacon | None = None


def advertisement(name: str, profile: Profile) -> tuple[bytes, bytes]:
    """Advertising data and scan response of a slave; the name is shortened where it does not fit."""
    service = bytes(UUID(profile.service))
    kind = (
        _Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
        if len(service) == 2
        else _Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
    )
    fields = [(_Type.FLAGS, bytes([FLAGS])), (kind, service)]
    room = ADVERTISING_BYTES_MAX - len(bytes(AdvertisingData(fields))) - 2
    said, answered = _label(name, room), _label(name, ADVERTISING_BYTES_MAX - 2)
    return bytes(AdvertisingData([*fields, said])), bytes(AdvertisingData([answered]))


def _label(name: str, room: int) -> tuple[AdvertisingData.Type, bytes]:
    """A name, or as many of its first characters as there is room for in bytes."""
    whole = name.encode()
    short = whole[:room].decode(errors="ignore").encode()
    return (_Type.COMPLETE_LOCAL_NAME if short == whole else _Type.SHORTENED_LOCAL_NAME), short


def _printable(name: str) -> str:
    """A name as it may be shown: whoever sends it could else write into a terminal or a command's answer."""
    return "".join(each if each.isprintable() else "\ufffd" for each in name)


def read_advertisement(heard: Advertisement) -> Seen:
    """What an advertisement says."""
    names: list[str] = []
    services: set[bytes] = set()
    beacon = None
    for kind, value in heard.data.ad_structures:
        if kind in (_Type.COMPLETE_LOCAL_NAME, _Type.SHORTENED_LOCAL_NAME):
            names.append(_printable(value.decode(errors="replace")))
        elif kind in (
            _Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            _Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        ):
            services.update(value[at : at + 2] for at in range(0, len(value), 2))
        elif kind in (
            _Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
            _Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        ):
            services.update(value[at : at + 16] for at in range(0, len(value), 16))
        elif kind == _Type.MANUFACTURER_SPECIFIC_DATA:
            beacon = beacon or Beacon.read(value)
    offered = tuple(
        name for name, profile in PROFILES.items() if bytes(UUID(profile.service)) in services
    )
    return Seen(
        str(heard.address),
        max(names, key=len, default=""),
        heard.rssi,
        offered,
        bool(heard.is_connectable),
        beacon,
    )
