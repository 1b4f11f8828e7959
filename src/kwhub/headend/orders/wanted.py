"""What can be ordered: one shape for each kind of order, as it stands in the store and in the API."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from kwhub.domain.errors import LocalError

__all__ = [
    "KINDS",
    "CompareArchive",
    "Kind",
    "PushArchive",
    "PushPlan",
    "PushReport",
    "ReadRegisters",
    "SendFile",
    "SetMeterClock",
    "SetParameter",
    "SetTerminalClock",
    "SwitchRelay",
    "Wanted",
    "WriteParameter",
    "kind_of",
    "pack",
    "unpack",
]

Hex: TypeAlias = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$", max_length=1600)]
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
Time: TypeAlias = Annotated[str, Meta(pattern=_TIME)]


class _Wanted(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """What every order has."""


class ReadRegisters(_Wanted, frozen=True, tag="read_now"):
    """Read registers of a meter now."""

    registers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=24)]


class SetMeterClock(_Wanted, frozen=True, tag="meter_clock"):
    """Put a meter's clock right, by its terminal (05-F31 at its measuring point)."""


class SetTerminalClock(_Wanted, frozen=True, tag="terminal_clock"):
    """Put a terminal's clock right (05-F31)."""


class SwitchRelay(_Wanted, frozen=True, tag="relay"):
    """Open a meter's relay, permit closing, or close it."""

    command: Literal["trip", "permit_closing", "close"]


class WriteParameter(_Wanted, frozen=True, tag="meter_parameter"):
    """Write an item of a meter (DL/T 645 code 14)."""

    identifier: Annotated[str, Meta(pattern=r"^([0-9A-F]{8}|[0-9A-F]{4})$")]
    values: Annotated[
        tuple[Annotated[str, Meta(max_length=64)], ...], Meta(min_length=1, max_length=32)
    ]


class SetParameter(_Wanted, frozen=True, tag="terminal_parameter"):
    """Set a parameter of a terminal (AFN 04)."""

    function: Annotated[int, Meta(ge=1, le=248)]
    data: Hex
    point: Annotated[int, Meta(ge=0, le=2040)] = 0


class PushArchive(_Wanted, frozen=True, tag="push_archive"):
    """Give a terminal the meters that the archive has for it (04-F10), and compare (0A-F10)."""

    delete_others: bool = True  #: what the archive does not know is deleted in the terminal


class CompareArchive(_Wanted, frozen=True, tag="compare_archive"):
    """Compare a terminal's meters (0A-F10) with the archive, and change nothing."""


class PushPlan(_Wanted, frozen=True, tag="push_plan"):
    """Tell a terminal when to read the ports that its meters are on (04-F33), and compare (0A-F33)."""

    interval_minutes: Annotated[int, Meta(ge=1, le=255)] = 15
    slots: Annotated[tuple[tuple[Time, Time], ...], Meta(max_length=24)] = ()  #: empty: always
    stopped: bool = False


class PushReport(_Wanted, frozen=True, tag="push_report"):
    """Set a report task of a terminal and switch it on or off (04-F65 to F68), and compare (0A)."""

    data_class: Literal[1, 2]
    number: Annotated[int, Meta(ge=1, le=64)]
    base: datetime  #: naive wall time of the site
    units: Annotated[tuple[tuple[int, int], ...], Meta(min_length=1, max_length=100)]  #: point, F
    period: Annotated[int, Meta(ge=1, le=63)] = 1
    unit: Literal["minutes", "hours", "days", "months"] = "days"
    factor: Annotated[int, Meta(ge=1, le=96)] = 1
    on: bool = True


class SendFile(_Wanted, frozen=True, tag="send_file"):
    """Send a file of the store to a terminal in segments (0F-F1)."""

    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    file: Annotated[int, Meta(ge=1, le=255)] = 1


Wanted: TypeAlias = (
    ReadRegisters
    | SetMeterClock
    | SetTerminalClock
    | SwitchRelay
    | WriteParameter
    | SetParameter
    | PushArchive
    | CompareArchive
    | PushPlan
    | PushReport
    | SendFile
)


class Kind(NamedTuple):
    """What holds for every order of a kind."""

    of_meter: bool  #: else of the terminal
    changes: bool  #: changes a device: Right.CONTROL instead of Right.ORDER
    approval: bool = False  #: a second person must agree
    for_many: bool = True  #: may be ordered for many at once


KINDS: Mapping[str, Kind] = {
    "read_now": Kind(of_meter=True, changes=False),
    "meter_clock": Kind(of_meter=True, changes=True),
    "terminal_clock": Kind(of_meter=False, changes=True),
    "relay": Kind(of_meter=True, changes=True, approval=True, for_many=False),
    "meter_parameter": Kind(of_meter=True, changes=True),
    "terminal_parameter": Kind(of_meter=False, changes=True),
    "push_archive": Kind(of_meter=False, changes=True),
    "compare_archive": Kind(of_meter=False, changes=False),
    "push_plan": Kind(of_meter=False, changes=True),
    "push_report": Kind(of_meter=False, changes=True, for_many=False),
    "send_file": Kind(of_meter=False, changes=True),
}


def kind_of(wanted: Wanted) -> str:
    """The word that names the kind of an order."""
    return str(wanted.__struct_config__.tag)


def pack(wanted: Wanted) -> str:
    """As it stands in the store."""
    return msgspec.json.encode(wanted).decode()


def unpack(text: str) -> Wanted:
    """From the store, or from a person. Raises LocalError with what is wrong and where."""
    try:
        return msgspec.json.decode(text, type=Wanted)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise LocalError(re.sub(r" - at `\$\.?", " - at `", str(error))) from None
    except msgspec.DecodeError as error:
        raise LocalError(f"not JSON: {error}") from None
