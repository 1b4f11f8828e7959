"""Tokens: 66 bits as twenty digits; issue and decode.

A token is two bits of class, then 64 bits that are enciphered (classes 0 and 2) or plain (class 1);
the last sixteen of them are a check sum over everything before.

Source: IEC 62055-41 (token data elements, encryption algorithms 11 and 07); 63 published answers of algorithm 11.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.sts import amounts
from kwhub.prepay.sts.keys import BASE_YEARS, DecoderKey

__all__ = [
    "CREDIT_STEP",
    "DIGITS",
    "IDENTIFIERS",
    "KINDS",
    "Token",
    "decode",
    "identifier_at",
    "issue",
    "issue_key_change",
    "issue_test",
    "issued_at",
]

DIGITS = 20
IDENTIFIERS = 1 << 24
"""Minutes that the identifier can count: 31.9 years."""

RESERVED_MINUTE = 1
"""00:01 of every day is for special tokens; one published answer shows what is done instead."""

MINUTES_PER_DAY = 1_440

CREDIT_STEP = Decimal("0.1")
"""The smallest step of a credit: kWh, m3 or minutes by the kind."""

CREDIT, TEST, MANAGEMENT = 0, 1, 2

KINDS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (0, 0): "TransferElectricityCredit",
        (0, 1): "TransferWaterCredit",
        (0, 2): "TransferGasCredit",
        (0, 3): "TransferTimeCredit",
        (0, 4): "TransferElectricityCurrencyCredit",
        (0, 5): "TransferWaterCurrencyCredit",
        (0, 6): "TransferGasCurrencyCredit",
        (0, 7): "TransferTimeCurrencyCredit",
        (1, 0): "InitiateMeterTest/Display",
        (1, 1): "InitiateMeterTest/Display",
        (2, 0): "SetMaximumPowerLimit",
        (2, 1): "ClearCredit",
        (2, 2): "SetTariffRate",
        (2, 3): "KeyChange section 1",
        (2, 4): "KeyChange section 2",
        (2, 5): "ClearTamperCondition",
        (2, 6): "SetMaximumPhasePowerUnbalanceLimit",
        (2, 7): "SetWaterMeterFactor",
        (2, 8): "KeyChange section 3",
        (2, 9): "KeyChange section 4",
    }
)
"""By class and subclass; what is not here is reserved.  Currency credits: single source."""

KEY_CHANGES = frozenset({3, 4, 8, 9})

_CLASS_SHIFT = 27
_BLOCK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says."""

    digits: str
    token_class: int
    subclass: int
    kind: str
    value: Decimal | str | None = None  #: amount in the kind's unit; a register or control as 0x...
    identifier: int | None = None  #: minutes since the base date
    issued: datetime | None = None  #: wall time of the base date's zone, to the minute
    field16: int | None = None  #: the amount or register as it stands in the token
    random: int | None = None  #: four bits that make equal purchases differ
    extra: Mapping[str, int | str] = field(default_factory=dict)  #: of key changes and tests
    key_part: int | None = field(default=None, repr=False)  #: 32 bits of a new key


def identifier_at(issued: datetime, base_year: int) -> int:
    """Return the identifier of a moment; the reserved minute of a day gives the next.

    Raises:
        LocalError: the moment lies outside the 31.9 years of the base date.
    """
    base = _base(base_year)
    minutes = int((issued.replace(second=0, microsecond=0) - base) / timedelta(minutes=1))
    if not 0 <= minutes < IDENTIFIERS:
        raise LocalError(
            f"{issued:%Y-%m-%d %H:%M} cannot be counted from {base_year}: "
            f"use another base date of {BASE_YEARS}"
        )
    return minutes + 1 if minutes % MINUTES_PER_DAY == RESERVED_MINUTE else minutes


def issued_at(identifier: int, base_year: int) -> datetime:
    """Return the moment of an identifier. Raises LocalError for an unknown base year."""
    return _base(base_year) + timedelta(minutes=identifier)


def issue(
    key: DecoderKey,
    kind: str,
    value: Decimal | int,
    *,
    identifier: int,
    random: int,
) -> str:
    """Make the token of a credit or of a setting (not of a key change).

    Args:
        key: of the meter.
        kind: one of ``KINDS`` of class 0 (not currency) or 2.
        value: kWh, m3 or minutes in steps of 0.1, rounded up; of class 2 watts, a register number.
        identifier: see ``identifier_at``; no two tokens of a meter may have the same.
        random: four bits.

    Raises:
        LocalError: unknown kind, or a number outside its bounds.
    """
    token_class, subclass = _place_of(kind)
    if not 0 <= identifier < IDENTIFIERS:
        raise LocalError(f"identifier {identifier} is not within 0 to {IDENTIFIERS - 1}")
    if not 0 <= random <= 0xF:
        raise LocalError("random has four bits")
    content = subclass << 44 | random << 40 | identifier << 16 | _to_field(token_class, kind, value)
    return _seal(token_class, content, key)


def issue_key_change(key: DecoderKey, new: DecoderKey, facts: Mapping[str, int]) -> tuple[str, ...]:
    """Make the tokens that take a meter from one key to another: four, or two for keys of 64 bits.

    Args:
        key: the present key.
        new: the key to come, as long as the present one.
        facts: ``expiry`` (8 bits), ``revision``, ``roll_over`` (0 or 1), ``type``, ``tariff``
            (the two digits as a number) and ``supply_group`` (as a number).

    Raises:
        LocalError: the keys are for different algorithms.
    """
    if len(key.secret) != len(new.secret):
        raise LocalError("a key change stays with one encryption algorithm")
    parts = [int.from_bytes(new.secret[at : at + 4]) for at in range(0, len(new.secret), 4)]
    expiry, group = facts["expiry"], facts["supply_group"]
    flags = facts["roll_over"] << 3 | facts["type"]
    tariff = int(f"{facts['tariff']:02d}", 16)
    contents = [
        3 << 44 | (expiry >> 4) << 40 | facts["revision"] << 36 | flags << 32 | parts[0],
        4 << 44 | (expiry & 0xF) << 40 | tariff << 32 | parts[-1],
    ]
    if len(parts) > len(contents):
        contents.append(8 << 44 | (group & 0xFFF) << 32 | parts[1])
        contents.append(9 << 44 | (group >> 12) << 32 | parts[2])
    return tuple(_seal(MANAGEMENT, each, key) for each in contents)


def issue_test(control: int, manufacturer: int, *, subclass: int = 0) -> str:
    """Make the plain token that starts a meter's test or display (class 1)."""
    control_bits, maker_bits = _TEST_FIELDS[subclass]
    if control >> control_bits or manufacturer >> maker_bits or min(control, manufacturer) < 0:
        raise LocalError(f"control has {control_bits} bits and manufacturer {maker_bits}")
    return _seal(TEST, subclass << 44 | control << maker_bits | manufacturer, None)


def decode(digits: str, key: DecoderKey | None = None, *, base_year: int = 1993) -> Token:
    """Say what a token means.

    Args:
        digits: twenty digits; blanks and hyphens between them are left out.
        key: of the meter; not needed for class 1.
        base_year: where the identifier counts from.

    Raises:
        DecodeError: ``kind`` is ``token_format``, ``key_needed`` or ``checksum_mismatch`` (a wrong
            digit, or a token for another meter).
    """
    text = "".join(part for part in digits if part not in " -")
    token_class, block = _open(text)
    if token_class != TEST:
        if key is None:
            raise DecodeError(
                "key_needed", f"a token of class {token_class} is enciphered: give the meter's key"
            )
        block = key.cipher.decrypt(block)
    content = block >> 16
    if _check(token_class, content) != block & 0xFFFF:
        raise DecodeError(
            "checksum_mismatch",
            "the check sum does not fit: a digit is wrong, or the token is for another meter or key",
            field="token",
        )
    return _Content(text, token_class, content).token(base_year)


_TEST_FIELDS = {0: (36, 8), 1: (28, 16)}
"""Bits of control and manufacturer in class 1, by subclass."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The 50 leading bits of a plain token."""

    digits: str
    token_class: int
    content: int  #: 48 bits: subclass and fields

    @property
    def subclass(self) -> int:
        return self.content >> 44

    def token(self, base_year: int) -> Token:
        kind = KINDS.get((self.token_class, self.subclass), "Reserved")
        if self.token_class == TEST:
            return self._test(kind)
        if self.token_class == MANAGEMENT and self.subclass in KEY_CHANGES:
            return self._key_change(kind)
        raw = self.content & 0xFFFF
        identifier = self.content >> 16 & (IDENTIFIERS - 1)
        return Token(
            self.digits,
            self.token_class,
            self.subclass,
            kind,
            value=_from_field(self.token_class, kind, raw),
            identifier=identifier,
            issued=issued_at(identifier, base_year),
            field16=raw,
            random=self.content >> 40 & 0xF,
        )

    def _test(self, kind: str) -> Token:
        control_bits, maker_bits = _TEST_FIELDS.get(self.subclass, _TEST_FIELDS[0])
        control = self.content >> maker_bits & ((1 << control_bits) - 1)
        maker = self.content & ((1 << maker_bits) - 1)
        extra: dict[str, int | str] = {"control": hex(control), "manufacturer": maker}
        return Token(self.digits, TEST, self.subclass, kind, value=hex(control), extra=extra)

    def _key_change(self, kind: str) -> Token:
        content = self.content
        extra: dict[str, int | str]
        if self.subclass == 3:
            extra = {
                "key_expiry_high": content >> 40 & 0xF,
                "key_revision": content >> 36 & 0xF,
                "roll_over": content >> 35 & 1,
                "key_type": content >> 32 & 3,
            }
        elif self.subclass == 4:
            extra = {
                "key_expiry_low": content >> 40 & 0xF,
                "tariff_index": f"{content >> 32 & 0xFF:02x}",
            }
        else:
            name = "supply_group_low" if self.subclass == 8 else "supply_group_high"
            extra = {name: content >> 32 & 0xFFF}
        part = content & 0xFFFFFFFF
        return Token(self.digits, self.token_class, self.subclass, kind, extra=extra, key_part=part)


def _from_field(token_class: int, kind: str, raw: int) -> Decimal | str | None:
    if kind == "Reserved" or "Currency" in kind:
        return None
    if kind == "ClearCredit":
        return hex(raw)
    if token_class == CREDIT:
        return amounts.to_units(raw) * CREDIT_STEP
    if kind == "ClearTamperCondition":
        return Decimal(raw)
    return Decimal(amounts.to_units(raw))


def _to_field(token_class: int, kind: str, value: Decimal | int) -> int:
    if "Currency" in kind:
        raise LocalError(f"{kind} cannot be issued: its amount field has no second source")
    if token_class == CREDIT:
        return amounts.from_units(Decimal(value) / CREDIT_STEP)
    if kind in {"ClearCredit", "ClearTamperCondition"}:
        if not 0 <= value <= 0xFFFF or value != int(value):
            raise LocalError(f"{kind} takes a whole number of sixteen bits, not {value}")
        return int(value)
    return amounts.from_units(value)


def _place_of(kind: str) -> tuple[int, int]:
    for (token_class, subclass), name in KINDS.items():
        if name == kind and token_class != TEST and "KeyChange" not in name:
            return token_class, subclass
    words = ", ".join(name for place, name in KINDS.items() if place[0] != TEST)
    raise LocalError(f"unknown kind of token {kind!r}; there are: {words}")


def _base(year: int) -> datetime:
    if year not in BASE_YEARS:
        raise LocalError(f"the base year is one of {BASE_YEARS}, not {year}")
    return datetime(year, 1, 1)  # noqa: DTZ001 - wall time of the meter


def _seal(token_class: int, content: int, key: DecoderKey | None) -> str:
    block = content << 16 | _check(token_class, content)
    if key is not None:
        block = key.cipher.encrypt(block)
    moved = block >> _CLASS_SHIFT & 3
    block = block & ~(3 << _CLASS_SHIFT) | token_class << _CLASS_SHIFT
    return f"{moved << 64 | block:0{DIGITS}d}"


def _open(text: str) -> tuple[int, int]:
    if not (len(text) == DIGITS and text.isascii() and text.isdigit()):
        raise DecodeError(
            "token_format",
            f"a token has {DIGITS} digits, not {len(text)} characters",
            field="token",
        )
    bits = int(text)
    if bits >> 66:
        raise DecodeError("token_format", "the number is more than 66 bits", field="token")
    token_class = bits >> _CLASS_SHIFT & 3
    block = bits & _BLOCK & ~(3 << _CLASS_SHIFT) | (bits >> 64) << _CLASS_SHIFT
    return token_class, block


def _check(token_class: int, content: int) -> int:
    """Return the check sum over class and content: CRC-16 (A001, FFFF), bytes swapped."""
    crc = 0xFFFF
    for byte in (token_class << 48 | content).to_bytes(7):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc >> 8 | (crc & 0xFF) << 8
