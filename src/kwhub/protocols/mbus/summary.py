"""A frame in a few words, and the values in it, for people and programs.

Source: EN 13757-2 and EN 13757-3.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.identity import manufacturer_letters
from kwhub.protocols.mbus.records import FUNCTIONS, Record
from kwhub.protocols.mbus.telegrams import Telegram
from kwhub.protocols.mbus.units import VIFE_WORDS

__all__ = ["RecordValue", "status_words", "summarise", "values"]

_APPLICATION_STATES = (
    None,
    ("busy", "忙"),
    ("application error", "应用错误"),
    ("reserved", "备用"),
)
_STATUS_BITS = {
    2: ("power low", "电源低"),
    3: ("permanent error", "永久错误"),
    4: ("temporary error", "暂时错误"),
}
_KINDS_ZH = {
    "maximum": "最大",
    "minimum": "最小",
    "during_error": "出错时",
    "manufacturer_data": "厂家数据",
    "manufacturer_data_more_follow": "厂家数据，还有后续",
}


@dataclass(frozen=True, slots=True)
class RecordValue:
    """One record as programs get it."""

    identifier: str  #: DIF to the last VIFE, hexadecimal
    name: str
    name_zh: str
    value: Decimal | str | None
    unit: str
    details: dict[str, Any]


def status_words(status: int) -> list[tuple[str, str]]:
    """What a status byte says, in both languages; the vendor's bits are left out."""
    state = _APPLICATION_STATES[status & 3]
    words = [] if state is None else [state]
    return words + [words_of for bit, words_of in _STATUS_BITS.items() if status >> bit & 1]


def summarise(telegram: Telegram) -> dict[str, Any]:
    """The fields that people and programs ask for first."""
    frame = telegram.frame
    fields: dict[str, Any] = {"kind": telegram.kind, "service": frame.service}
    if telegram.kind == "ack":
        return fields | {"direction": "slave_to_master"}
    fields["direction"] = "master_to_slave" if frame.from_master else "slave_to_master"
    fields |= {"c": frame.control, "a": frame.address}
    if frame.from_master:
        fields["fcb"] = bool(frame.control & c.FCB) if frame.control & c.FCV else None
    else:
        fields["acd"] = bool(frame.control & c.FCB)
        fields["dfc"] = bool(frame.control & c.FCV)
    if frame.ci is None:
        return fields
    fields["ci"] = frame.ci
    fields["ci_name"], fields["ci_name_zh"] = c.CI_NAMES.get(frame.ci, ("vendor", "厂家"))
    if frame.ci in c.BAUD_BY_CI and frame.from_master:
        fields["ci_name"], fields["ci_name_zh"] = "change of speed", "更改波特率"
    return fields | _content(telegram) | telegram.fields


def _content(telegram: Telegram) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    identity = telegram.identity
    if telegram.kind in ("app_error", "alarm") or telegram.code is not None:
        fields["code"] = telegram.code
    if telegram.kind == "app_error":
        words = c.APPLICATION_ERRORS.get(telegram.code or 0, ("reserved", "备用"))
        fields["error_name"], fields["error_name_zh"] = words
    if identity is not None:
        fields["id"] = identity.number
        if telegram.kind != "fixed":
            fields["manufacturer"] = manufacturer_letters(identity.manufacturer)
            fields["manufacturer_code"] = f"{identity.manufacturer:04X}"
            fields["version"] = identity.version
            fields["medium"] = identity.medium
    if telegram.kind == "fixed":
        fields["fixed"] = True
    return fields | _header(telegram)


def _header(telegram: Telegram) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if telegram.medium is not None:
        fields["medium"] = telegram.medium
        names = c.MEDIA.get(telegram.medium, ("reserved", "备用"))
        fields["medium_name"], fields["medium_name_zh"] = names
    if telegram.status is not None:
        fields["access_no"] = telegram.access_number
        fields["status"] = telegram.status
        words_found = status_words(telegram.status) if telegram.kind != "fixed" else []
        fields["status_words"] = [words[0] for words in words_found]
        fields["status_words_zh"] = [words[1] for words in words_found]
    if telegram.signature is not None:
        fields["signature"] = telegram.signature
    if telegram.kind in ("data", "fixed"):
        fields["more_follow"] = telegram.more
    return fields


def values(telegram: Telegram) -> list[RecordValue]:
    """Every record."""
    return [_value(record) for record in telegram.records]


def _value(record: Record) -> RecordValue:
    unit = record.unit
    name, name_zh = unit.quantity, unit.quantity_zh
    details: dict[str, Any] = {
        "function": record.function,
        "tariff": record.tariff,
        "storage": record.storage,
        "subunit": record.subunit,
        "kind": record.kind,
        "quantity": unit.quantity,
        "data": record.data.hex(),
    }
    if record.function != FUNCTIONS[0]:
        name = f"{name}, {record.function.replace('_', ' ')}".removeprefix(", ")
        name_zh = f"{name_zh}，{_KINDS_ZH[record.function]}".removeprefix("，")
    if record.marks:
        details["vife_unscaled"] = list(record.marks)
    for code in record.qualifiers:
        name, name_zh = f"{name}, {VIFE_WORDS[code][0]}", f"{name_zh}，{VIFE_WORDS[code][1]}"
    found = record.detail
    if found is not None and found.kind == "datetime":
        details |= {"invalid": found.invalid, "summer_time": found.summer_time}
    if found is not None and found.digits:
        details["digits"] = found.digits
    value = record.value
    return RecordValue(record.block.hex(), name, name_zh, value, _shown_unit(record), details)


def _shown_unit(record: Record) -> str:
    return record.unit.unit if record.kind not in ("date", "datetime", "text") else ""
