"""``kwhub token``: issue and decode prepayment tokens of twenty digits (STS)."""

import os
import secrets
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    complain,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.token_tables import TablesOption, load_tables
from kwhub.cli.token_words import FIELDS, KINDS_ZH, UNITS_ZH, trouble_in_chinese
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.sts.ea07 import KEY_BYTES as SHORT_BYTES
from kwhub.prepay.sts.ea07 import Tables
from kwhub.prepay.sts.keys import DecoderKey, MeterKeyFacts, derive
from kwhub.prepay.sts.meter import roll_over_in
from kwhub.prepay.sts.tokens import CREDIT_STEP, Token, decode, identifier_at, issue
from kwhub.runtime.clock import SystemClock

__all__ = ["BaseOption", "KeyOption", "decode_token", "issue_token", "meter_key"]

ROLL_OVER_WARNING_DAYS = 730
_VALUE_MAX = 10**12

UNITS = {
    "TransferElectricityCredit": "kWh",
    "TransferWaterCredit": "m3",
    "TransferGasCredit": "m3",
    "TransferTimeCredit": "min",
    "SetMaximumPowerLimit": "W",
    "SetMaximumPhasePowerUnbalanceLimit": "W",
}

KeyOption = Annotated[
    str | None,
    Parameter(
        name="--decoder-key",
        help="Key of the meter, 32 hexadecimal digits, or 16 with --tables; '@FILE' reads it from a file. "
        "Without it: the environment variable KWHUB_DECODER_KEY.",
    ),
]
BaseOption = Annotated[
    int, Parameter(name="--base-date", help="Year that identifiers count from: 1993, 2014, 2035.")
]


def decode_token(
    token: str,
    *,
    decoder_key: KeyOption = None,
    tables: TablesOption = None,
    base_date: BaseOption = 1993,
    language: LanguageOption = None,
    json: JsonFlag = False,
) -> int:
    """Say what a token means; the exit code is 1 when it is not for this key.

    It takes keys from files, so that they stand in no list of processes. Example:

        kwhub token decode 01152921509036054672

    Parameters
    ----------
    token
        Twenty digits; blanks and hyphens between them do not matter.
    """
    key = _key(decoder_key, load_tables(tables), needed=False)
    try:
        meaning = decode(token, key, base_year=base_date)
    except DecodeError as error:
        if json:
            print_json({"token": token, "error": error.kind, "detail": error.detail})
        else:
            complain(_said(error.detail, language))
        return Exit.NO
    _tell(meaning, language, json=json)
    return Exit.OK


def issue_token(
    kind: Annotated[str, Parameter(help="Such as TransferElectricityCredit.")],
    value: Annotated[str, Parameter(help="Amount in the kind's unit: kWh, m3, minutes, W.")],
    *,
    decoder_key: KeyOption = None,
    tables: TablesOption = None,
    vending_key_file: Annotated[
        Path | None, Parameter(help="File with the 40 hexadecimal digits of the vending key.")
    ] = None,
    pan: Annotated[
        str | None, Parameter(help="18 digits of the meter, with --vending-key-file.")
    ] = None,
    supply_group: Annotated[str, Parameter(help="Six digits.")] = "",
    tariff_index: Annotated[str, Parameter(help="Two digits.")] = "01",
    key_type: int = 2,
    key_revision: int = 1,
    base_date: BaseOption = 2014,
    issued: Annotated[
        datetime | None, Parameter(help="Moment of issue, UTC without an offset; otherwise now.")
    ] = None,
    random: Annotated[int | None, Parameter(help="Four bits, 0 to 15; otherwise drawn.")] = None,
    language: LanguageOption = None,
    json: JsonFlag = False,
) -> int:
    """Issue a token for one meter, with its key or from the vending key of its group.

    It takes keys from files, so that they stand in no list of processes. Example:

        kwhub token issue TransferElectricityCredit 25.6 --decoder-key @meter.key

    This command keeps no record of what it issues: two tokens of one meter and the same minute are
    one token to the meter. Sell through a vending ledger; issue here for tests and in the laboratory.
    """
    if vending_key_file is not None:
        facts = MeterKeyFacts(
            pan or "", supply_group, tariff_index, key_type, key_revision, base_date
        )
        vending_key = _hexadecimal(
            vending_key_file.read_text("ascii", "replace"), "the vending key"
        )
        key = derive(vending_key, facts, load_tables(tables))
    else:
        key = meter_key(decoder_key, tables)
    identifier = identifier_at(_wall(issued or SystemClock().now()), base_date)
    drawn = secrets.randbelow(16) if random is None else random
    digits = issue(key, kind, _number(value), identifier=identifier, random=drawn)
    _tell(decode(digits, key, base_year=base_date), language, json=json)
    _warn_of_roll_over(identifier, base_date, language)
    return Exit.OK


def meter_key(decoder_key: str | None, tables: Path | None) -> DecoderKey:
    """The key of a meter, from a file, the environment or the line. Raises LocalError: none is given."""
    found = _key(decoder_key, load_tables(tables), needed=True)
    assert found is not None  # noqa: S101 - for the type checker
    return found


def _wall(moment: datetime) -> datetime:
    """In UTC, without its offset."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _tell(token: Token, language: Language | None, *, json: bool) -> None:
    if json:
        print_json(_as_json(token))
    elif pick_language(language) == ZH:
        _show_in_chinese(token)
    else:
        _show(token)


def _said(text: str, language: Language | None) -> str:
    return trouble_in_chinese(text) if pick_language(language) == ZH else text


def _warn_of_roll_over(identifier: int, base_date: int, language: Language | None) -> None:
    left = roll_over_in(identifier).days
    if left < ROLL_OVER_WARNING_DAYS:
        text = f"the base date {base_date} ends in {left} days: meters need a key of the next one"
        complain(_said(text, language))


def _key(text: str | None, tables: Tables | None, *, needed: bool) -> DecoderKey | None:
    text = text or os.environ.get("KWHUB_DECODER_KEY")
    if text is None:
        if needed:
            raise LocalError("give --decoder-key, KWHUB_DECODER_KEY or --vending-key-file")
        return None
    if text == "-":
        text = sys.stdin.readline()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text("ascii", "replace")
    secret = _hexadecimal(text, "the decoder key")
    return DecoderKey(secret, tables if len(secret) == SHORT_BYTES else None)


def _hexadecimal(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise LocalError(f"{name} is not hexadecimal") from None


def _number(text: str) -> Decimal:
    try:
        number = Decimal(int(text, 16)) if text.lower().startswith("0x") else Decimal(text)
    except (InvalidOperation, ValueError):
        raise LocalError(f"{text!r} is not a number") from None
    if not number.is_finite() or abs(number) >= _VALUE_MAX:
        raise LocalError(f"{text!r} is not a number")
    return number


def _as_json(token: Token) -> dict[str, Any]:
    value = token.value
    return {
        "token": token.digits,
        "class": token.token_class,
        "subclass": token.subclass,
        "kind": token.kind,
        "value": None if value is None else _plain(value),
        "unit": UNITS.get(token.kind),
        "identifier": token.identifier,
        "issued": None if token.issued is None else token.issued.isoformat(),
        "field16": token.field16,
        "random": token.random,
        **token.extra,
    }


def _plain(value: Decimal | str) -> str:
    if isinstance(value, str):
        return value
    return str(value.quantize(CREDIT_STEP)) if value != int(value) else str(int(value))


def _grouped(token: Token) -> str:
    return " ".join(token.digits[place : place + 4] for place in range(0, len(token.digits), 4))


def _show_in_chinese(token: Token) -> None:
    say(_grouped(token))
    unit = UNITS_ZH.get(UNITS.get(token.kind, ""), "")
    value = "" if token.value is None else f" {_plain(token.value)} {unit}"
    say(f"{KINDS_ZH[token.kind]}（{token.kind}）{value.rstrip()}")
    if token.issued is not None:
        say(f"签发时间 {token.issued:%Y-%m-%d %H:%M}，标识 {token.identifier}")
    for name, content in token.extra.items():
        say(f"{FIELDS[name]}：{content}")


def _show(token: Token) -> None:
    say(_grouped(token))
    unit = UNITS.get(token.kind, "")
    value = "" if token.value is None else f" {_plain(token.value)} {unit}"
    say(f"{token.kind}{value.rstrip()}")
    if token.issued is not None:
        say(f"issued {token.issued:%Y-%m-%d %H:%M}, identifier {token.identifier}")
    for name, content in token.extra.items():
        say(f"{name.replace('_', ' ')}: {content}")
