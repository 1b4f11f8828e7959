"""``kwhub mbus read``: a meter's whole answer, as registers and records."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.mbus_readings import reading_of
from kwhub.catalog.registers import describe
from kwhub.cli.mbus import AttemptsOption, LatencyOption, MbusBaudOption, line
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.domain.errors import LocalError
from kwhub.exchange.mbus import Selection, Target, read_meter
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.mbus.control import ADDRESS_MAX, MEDIA
from kwhub.protocols.mbus.records import MANUFACTURER_DATA
from kwhub.protocols.mbus.summary import status_words, values
from kwhub.protocols.mbus.telegrams import Telegram
from kwhub.runtime.clock import SystemClock

__all__ = ["mbus_read"]

HEADINGS = {
    "en": ("register", "name", "value", "unit", "storage", "tariff", "time"),
    "zh": ("寄存器", "名称", "数值", "单位", "存储号", "费率", "时间"),
}
CSV_COLUMNS = (
    "meter", "register", "identifier", "name", "value", "unit", "storage", "tariff", "subunit", "function", "time",
)  # fmt: skip
_TO_MINUTES = len("2026-03-01 00:00")


async def mbus_read(
    link: str,
    *,
    address: Annotated[
        int | None, Parameter(validator=Number(gte=0, lte=ADDRESS_MAX), help="Primary address.")
    ] = None,
    secondary: Annotated[
        str | None,
        Parameter(
            help="Secondary address: 12345678, 12345678-KAM-01-07, or with +87654321 the fabrication number."
        ),
    ] = None,
    baud: MbusBaudOption = None,
    latency_s: LatencyOption = None,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    csv: Annotated[
        bool, Parameter(name="--csv", negative="", help="Print comma-separated values.")
    ] = False,
    language: LanguageOption = None,
) -> int:
    """Read an M-Bus meter: every record of every telegram, with register, unit, storage and time.

    The exit code is 1 when the meter refuses, or when a telegram is broken. Example:

        kwhub mbus read serial:/dev/ttyUSB0 --secondary 12345678-KAM-01-07 --json

    Parameters
    ----------
    link
        Way to the line: serial:/dev/ttyUSB0, tcp:10.0.0.7:4001
    """
    if json and csv:
        raise LocalError("--csv or --json, not both")
    if (address is None) == (secondary is None):
        raise LocalError("name one meter: --address 5, or --secondary 12345678-KAM-01-07")
    target: Target = Selection.parse(secondary) if secondary is not None else address or 0
    clock = SystemClock()
    async with line(link, clock, baud=baud, latency_s=latency_s, attempts=attempts) as driver:
        telegrams = await driver.run(read_meter(target))
    spoken = pick_language(language)
    rows = _rows(telegrams)
    if json:
        print_json(_as_json(target, telegrams, rows))
    elif csv:
        _print_csv(target, rows, spoken)
    else:
        _show(target, telegrams, rows, spoken)
    return Exit.NO if any(each.error is not None for each in telegrams) else Exit.OK


@dataclass(frozen=True, slots=True)
class _Row:
    """One record."""

    register: str | None
    identifier: str
    name: str
    name_zh: str
    value: Decimal | str | None
    unit: str
    storage: int
    tariff: int
    subunit: int
    function: str
    at: datetime | date | None


def _rows(telegrams: Sequence[Telegram]) -> list[_Row]:
    records = [record for telegram in telegrams for record in telegram.records]
    rows = []
    for telegram in telegrams:
        for record, one in zip(telegram.records, values(telegram), strict=True):
            if record.kind == MANUFACTURER_DATA and not record.data:
                continue  # only says whether another telegram follows
            found = reading_of(telegram, record, records)
            names = one.name, one.name_zh
            if found is not None:
                info = describe(found.register)
                names = info.name_en, info.name_zh
            rows.append(
                _Row(
                    None if found is None else found.register,
                    one.identifier.upper(),
                    *names,
                    one.value if found is None else found.value,
                    one.unit if found is None else found.unit,
                    record.storage,
                    record.tariff,
                    record.subunit,
                    record.function,
                    None if found is None else found.at,
                )
            )
    return rows


def _as_json(target: Target, telegrams: Sequence[Telegram], rows: Sequence[_Row]) -> dict[str, Any]:
    first = telegrams[0]
    status = first.status if first.kind == "data" else None
    return {
        "meter": str(target),
        "secondary": None if first.identity is None else str(first.identity),
        "address": first.frame.address,
        "medium": first.medium,
        "status": first.status,
        "status_words": [words[0] for words in status_words(status or 0)],
        "telegrams": len(telegrams),
        "error": next((str(each.error) for each in telegrams if each.error is not None), None),
        "values": [
            {
                "register": row.register,
                "identifier": row.identifier,
                "name": row.name,
                "name_zh": row.name_zh,
                "value": row.value,
                "unit": row.unit,
                "storage": row.storage,
                "tariff": row.tariff,
                "subunit": row.subunit,
                "function": row.function,
                "time": None if row.at is None else row.at.isoformat(),
            }
            for row in rows
        ],
    }


def _text(row: _Row, language: Language) -> tuple[str, str, str, str]:
    """Name, value, unit and time as people read them."""
    name = row.name if language == EN else row.name_zh
    value = "" if row.value is None else str(row.value)
    return name, value, row.unit, "" if row.at is None else str(row.at)[:_TO_MINUTES]


def _print_csv(target: Target, rows: Sequence[_Row], language: Language) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        name, value, unit, at = _text(row, language)
        writer.writerow(
            (
                target,
                row.register or "",
                row.identifier,
                name,
                value,
                unit,
                row.storage,
                row.tariff,
                row.subunit,
                row.function,
                at,
            )
        )


def _show(
    target: Target, telegrams: Sequence[Telegram], rows: Sequence[_Row], language: Language
) -> None:
    english = language == EN
    first = telegrams[0]
    medium = MEDIA.get(first.medium if first.medium is not None else 0x0F, ("reserved", "备用"))
    say(f"{first.identity or target}  {medium[0 if english else 1]}  #{first.frame.address}")
    shown = []
    for row in rows:
        name, value, unit, at = _text(row, language)
        if row.function != "instantaneous":
            name = f"{name} [{row.function}]" if row.register else name
        shown.append(
            (str(row.register or ""), name, value, unit, str(row.storage), str(row.tariff), at)
        )
    print_table(HEADINGS[language], shown, right=(2, 4, 5))
    if first.kind == "data":
        for words in status_words(first.status or 0):
            say(f"! {words[0 if english else 1]}")
    for each in telegrams:
        if each.error is not None:
            say(f"! {each.error}")
