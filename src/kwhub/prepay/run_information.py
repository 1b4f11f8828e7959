"""The run information file: what a meter hands back to the counter, and places of the parameter file.

Source: fields and the frame ``68 cmd len ... CS 16`` from two public meter firmwares; the byte ``state``
and the command byte: single source. All numbers high byte first, as in the element.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from kwhub.domain.errors import DecodeError, LocalError

__all__ = [
    "ALARM_1",
    "ALARM_2",
    "CURRENT",
    "MINUTES",
    "MODE",
    "POTENTIAL",
    "RUN_INFORMATION_BYTES",
    "SWITCH_TIME",
    "UPDATE_FLAGS",
    "RunInformation",
]

UPDATE_FLAGS = 0x05
SWITCH_TIME = 0x0A
ALARM_1 = 0x10
ALARM_2 = 0x14
CURRENT = 0x18
POTENTIAL = 0x1B
MINUTES = 0x2B
MODE = 0x2D
"""Offsets in the parameter file; the others stand in ``element.files``."""

RUN_INFORMATION_BYTES = 50

_COMMAND = 0x11
_BODY_BYTES = 44
_START, _STOP = 0x68, 0x16
_HEAD = bytes((_START, _COMMAND)) + _BODY_BYTES.to_bytes(2)


@dataclass(frozen=True, slots=True)
class RunInformation:
    """What the counter learns about a meter.

    Attributes:
        money: what is left, hundredths.
        overdraft: what is owed ("over-zero money"), hundredths.
        key_state: bit n set: key n is formal.
        state: bit 0 local cost control, bit 1 relay open, bit 2 account open.
        illegal: refused attempts in all.
        moment: the meter's wall time; None for all zeros.
    """

    meter: bytes
    customer: bytes
    money: int
    count: int
    overdraft: int
    key_state: int
    illegal: int
    moment: datetime | None
    user_type: int = 0
    current_ratio: int = 1
    potential_ratio: int = 1
    state: int = 0

    def to_bytes(self) -> bytes:
        """Fifty bytes. Raises LocalError when a number does not fit."""
        try:
            body = b"".join(
                (
                    bytes((self.user_type,)),
                    bytes.fromhex(f"{self.current_ratio:06d}{self.potential_ratio:06d}"),
                    self.meter + self.customer,
                    self.money.to_bytes(4) + self.count.to_bytes(4) + self.overdraft.to_bytes(4),
                    self.key_state.to_bytes(4) + bytes((self.state,)) + self.illegal.to_bytes(3),
                    bytes(5) if self.moment is None else bytes.fromhex(f"{self.moment:%y%m%d%H%M}"),
                )
            )
        except (OverflowError, ValueError) as error:
            raise LocalError(f"a field of the run information does not fit: {error}") from None
        if len(body) != _BODY_BYTES:
            raise LocalError(f"the run information has {_BODY_BYTES} bytes, not {len(body)}")
        framed = _HEAD + body
        return framed + bytes((sum(framed) % 256, _STOP))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """From fifty bytes. Raises DecodeError: ``value_length_mismatch``, ``checksum_mismatch``, ..."""
        if len(raw) != RUN_INFORMATION_BYTES or not raw.startswith(_HEAD) or raw[-1] != _STOP:
            raise DecodeError("value_length_mismatch", "no frame of run information")
        if sum(raw[:-2]) % 256 != raw[-2]:
            raise DecodeError("checksum_mismatch", "the check sum does not fit", offset=48)
        body = raw[len(_HEAD) : -2]
        return cls(
            user_type=body[0],
            current_ratio=_digits(body[1:4]),
            potential_ratio=_digits(body[4:7]),
            meter=body[7:13],
            customer=body[13:19],
            money=int.from_bytes(body[19:23]),
            count=int.from_bytes(body[23:27]),
            overdraft=int.from_bytes(body[27:31]),
            key_state=int.from_bytes(body[31:35]),
            state=body[35],
            illegal=int.from_bytes(body[36:39]),
            moment=_moment(body[39:44]),
        )


def _digits(raw: bytes) -> int:
    if not raw.hex().isdecimal():
        raise DecodeError("not_bcd", f"{raw.hex()} is not decimal", field="ratio")
    return int(raw.hex())


def _moment(raw: bytes) -> datetime | None:
    if not any(raw):
        return None
    try:
        return datetime.strptime(raw.hex(), "%y%m%d%H%M")  # noqa: DTZ007 - a meter's wall time
    except ValueError:
        raise DecodeError("time_not_valid", f"{raw.hex()} is no time", field="moment") from None
