"""The settings of what stands below a concentrator: RS-485 buses, M-Bus lines and power line modules."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from kwhub.catalog.quirks import deviations_named
from kwhub.catalog.registers import parse_register
from kwhub.concentrator.config_uplink import LinkText
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645.deviations import Deviations
from kwhub.runtime.settings import Settings, WrongSetting

__all__ = [
    "BusSettings",
    "MbusMeterSettings",
    "MbusSettings",
    "MeterSettings",
    "ModuleSettings",
    "Name",
    "PointSettings",
    "meter_address",
    "record_address",
]

Name: TypeAlias = Annotated[str, Meta(max_length=100, description="text of at most 100 characters")]
MeterAddress: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{12}$", description="the twelve digits on the meter, in quotes")
]
QuirkNames: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9 -]*$", description="names of quirks with a space between, or empty text"
    ),
]
"""What makers do otherwise, see ``kwhub.catalog.quirks``; empty for the standard."""
PointNumber: TypeAlias = Annotated[int, Meta(ge=1, le=2_040)]
"""Source: Q/GDW 1376.1-2013, AFN 04 F10."""
PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=31)]
"""Source: Q/GDW 1376.1-2013, AFN 04 F10: five bits, 0 unused."""

MbusAddress: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,3}|[0-9]{8}(-[A-Z]{3})?)$",
        description="a primary address such as '5', or a number such as '12345678' or '12345678-KAM'",
    ),
]
PRIMARY_MAX = 250
"""Source: EN 13757-2, primary addresses."""
READOUTS_AN_HOUR = 24
"""Readouts a day that an hourly plan needs."""
PROPOSED = {
    "water": "8-0:1.0.0",
    "hot-water": "9-0:1.0.0",
    "heat": "6-0:1.0.0",
    "cooling": "5-0:1.0.0",
    "gas": "7-0:3.0.0",
    "electricity": "1-0:1.8.0",
}
"""What is read of a kind of meter when its settings do not say."""


class MeterSettings(Settings, frozen=True):
    """One meter: a measuring point of the terminal."""

    address: MeterAddress
    point: PointNumber
    phases: Literal[1, 3] = 1
    protocol: Literal["dlt645-2007", "dlt645-1997"] = "dlt645-2007"
    name: Name = ""
    quirk: QuirkNames = ""  #: what it does otherwise, beside the quirks of its bus


class BusSettings(Settings, frozen=True):
    """One wire with its meters."""

    name: Name
    address: LinkText
    port: PortNumber  #: under this number the head-end reaches the bus
    baud: Literal[600, 1200, 2400, 4800, 9600, 19200] = 2400
    answer_timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    quirk: QuirkNames = ""  #: what all its meters do otherwise: "baud-word-bcd"
    meter: tuple[MeterSettings, ...] = ()

    def __post_init__(self) -> None:
        _known("quirk", self.quirk)
        for number, meter in enumerate(self.meter):
            _known(f"meter[{number}].quirk", f"{self.quirk} {meter.quirk}")

    def deviations(self, address: str) -> Deviations:
        """How the meter of an address differs from the standard."""
        own = (meter.quirk for meter in self.meter if meter.address == address)
        return deviations_named(f"{self.quirk} {' '.join(own)}".split())


class MbusMeterSettings(Settings, frozen=True):
    """One meter on an M-Bus line."""

    protocol: ClassVar[str] = "mbus"
    phases: ClassVar[Literal[1, 3]] = 1

    address: MbusAddress
    point: PointNumber
    kind: Literal["water", "hot-water", "heat", "cooling", "gas", "electricity"] = "water"
    every: Literal["hourly", "daily"] = "daily"  #: at full hours, or at midnight
    readouts_a_day: Annotated[int, Meta(ge=0, le=1_000)] = 0  #: 0: no limit; a battery wants one
    registers: str = ""  #: OBIS codes or names with a space between; empty: the counter of the kind
    name: Name = ""

    def __post_init__(self) -> None:
        if self.address.isdecimal() and len(self.address) < 4 and self.primary not in _PRIMARY:
            raise WrongSetting("address", f"a primary address is 1 to {PRIMARY_MAX}")
        if self.every == "hourly" and 0 < self.readouts_a_day < READOUTS_AN_HOUR:
            raise WrongSetting("readouts_a_day", "must be at least 24, or 0, to read every hour")
        try:
            _ = self.wanted
        except KwhubError as error:
            raise WrongSetting("registers", str(error)) from error

    @property
    def primary(self) -> int | None:
        """The primary address, None when it is reached by its number."""
        return int(self.address) if len(self.address) < 4 else None

    @property
    def wanted(self) -> tuple[Register, ...]:
        """The registers that are read. Raises KwhubError."""
        texts = self.registers.split() or [PROPOSED[self.kind]]
        return tuple(dict.fromkeys(parse_register(text) for text in texts))


class MbusSettings(Settings, frozen=True):
    """One M-Bus line with its meters."""

    name: Name
    address: LinkText
    port: PortNumber  #: under this number the head-end reaches the line
    baud: Literal[300, 600, 1200, 2400, 4800, 9600, 19200, 38400] = 2400
    latency_s: Annotated[float, Meta(ge=0, le=10)] = (
        0.1  #: what adapters and gateways add to a wait
    )
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    meter: tuple[MbusMeterSettings, ...] = ()


class ModuleSettings(Settings, frozen=True):
    """One power line or wireless module (Q/GDW 1376.2) with the meters behind it."""

    name: Name
    address: LinkText
    port: PortNumber  #: under this number the head-end reaches the meters
    master: MeterAddress = "000000000001"  #: address of the concentrator's node
    mode: Literal["narrow-band", "hplc", "radio"] = "hplc"
    led_by: Literal["concentrator", "module"] = "concentrator"  #: who says which meter is next
    parallel: Annotated[int, Meta(ge=1, le=5)] = 5  #: meters that are read at once
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 9600  #: of the module's port
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    quirk: QuirkNames = ""  #: what all its meters do otherwise
    meter: tuple[MeterSettings, ...] = ()

    def __post_init__(self) -> None:
        _known("quirk", self.quirk)
        for number, meter in enumerate(self.meter):
            _known(f"meter[{number}].quirk", f"{self.quirk} {meter.quirk}")

    def deviations(self, address: str) -> Deviations:
        """How the meter of an address differs from the standard."""
        own = (meter.quirk for meter in self.meter if meter.address == address)
        return deviations_named(f"{self.quirk} {' '.join(own)}".split())


PointSettings: TypeAlias = MeterSettings | MbusMeterSettings
"""A measuring point of any kind."""

_PRIMARY = range(1, PRIMARY_MAX + 1)
_METER_DIGITS, _NUMBER_DIGITS = 12, 8


def record_address(address: str, port: int) -> str:
    """Any meter's address as the twelve digits of an archive record.

    A number of M-Bus stands behind 0000; a primary address stands behind 0001 and its port, because every
    line has its own.

    >>> record_address("12345678-KAM", 5), record_address("7", 5)
    ('000012345678', '000100500007')
    """
    if len(address) == _METER_DIGITS and address.isdecimal():
        return address
    if len(address) >= _NUMBER_DIGITS:
        return f"0000{address[:_NUMBER_DIGITS]}"
    return f"0001{port:03d}{int(address):05d}"


def meter_address(record: str) -> str:
    """The address on the M-Bus of the twelve digits of an archive record.

    >>> meter_address("000012345678"), meter_address("000100500007")
    ('12345678', '7')
    """
    return record[4:] if record.startswith("0000") else str(int(record[7:]))


def _known(key: str, names: str) -> None:
    try:
        deviations_named(names.split())
    except LocalError as error:
        raise WrongSetting(key, str(error)) from error
