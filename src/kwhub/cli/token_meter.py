"""``kwhub token enter`` and ``key-change``: a simulated meter for tokens, and the tokens that give a meter its next key."""

import json as js
import os
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.token import BaseOption, KeyOption, meter_key
from kwhub.cli.token_tables import TablesOption, load_tables
from kwhub.cli.token_words import KINDS_ZH
from kwhub.domain.errors import ConfigError
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.sts.meter import Meter, Taken, Verdict
from kwhub.prepay.sts.tokens import decode, issue_key_change
from kwhub.runtime.clock import SystemClock

__all__ = ["change_key", "enter_token"]

_CREDIT: Final = "TransferElectricityCredit"
_ZH: Final = {
    Verdict.ACCEPTED: "已接受",
    Verdict.PART_OF_KEY_CHANGE: "密钥更换的一部分",
    Verdict.USED: "令牌已用过",
    Verdict.OLD: "令牌过旧",
    Verdict.KEY_EXPIRED: "密钥已过期",
    Verdict.REJECTED: "拒绝",
}


def change_key(
    *,
    decoder_key: KeyOption = None,
    new_key: Annotated[
        Path,
        Parameter(name="--new-key", help="File with the key to come, as long as the present one."),
    ],
    tables: TablesOption = None,
    supply_group: Annotated[int, Parameter(help="As a number.")] = 0,
    tariff_index: Annotated[int, Parameter(help="0 to 99.")] = 1,
    key_type: int = 2,
    key_revision: int = 1,
    key_expiry: Annotated[int, Parameter(help="0 to 255; 255 never expires.")] = 255,
    roll_over: Annotated[
        bool,
        Parameter(
            help="The new key counts from the next base date: the meter forgets its identifiers."
        ),
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Make the tokens that take a meter from its present key to another: four, or two for keys of 64 bits.

    All of them are entered, in any order, within 90 seconds. Example:

        kwhub token key-change --decoder-key @old.key --new-key new.key --roll-over
    """
    present = meter_key(decoder_key, tables)
    coming = meter_key(f"@{new_key}", tables)
    facts = {
        "expiry": key_expiry,
        "revision": key_revision,
        "roll_over": int(roll_over),
        "type": key_type,
        "tariff": tariff_index,
        "supply_group": supply_group,
    }
    tokens = issue_key_change(present, coming, facts)
    if json:
        told = [{"token": each, "kind": decode(each, present).kind} for each in tokens]
        print_json(told)
    else:
        for each in tokens:
            say(" ".join(each[place : place + 4] for place in range(0, len(each), 4)))
    return Exit.OK


def enter_token(
    token: Annotated[str, Parameter(help="Twenty digits; blanks and hyphens do not matter.")],
    *,
    meter: Annotated[
        Path, Parameter(help="File of the simulated meter, mode 0600; made with a key.")
    ],
    decoder_key: KeyOption = None,
    tables: TablesOption = None,
    base_date: BaseOption = 2014,
    language: LanguageOption = None,
    json: JsonFlag = False,
) -> int:
    """Enter a token into a simulated meter, which takes each once; the exit code is 1 when it does not take it.

    The file keeps its key, its identifiers and its energy, and is replaced as a whole: a cut leaves the token
    entered or not. Example:

        kwhub token enter 01152921509036054672 --meter kitchen.meter --decoder-key @meter.key
    """
    chosen = load_tables(tables)
    if meter.is_file():
        state, energy = _read(meter, chosen)
    else:
        state, energy = Meter(meter_key(decoder_key, tables), base_year=base_date), Decimal(0)
    after, taken = state.take(token, SystemClock().now().timestamp())
    found = taken.token
    if taken.verdict is Verdict.ACCEPTED and found is not None and found.kind == _CREDIT:
        energy += Decimal(found.value or 0)
    if after != state or not meter.is_file():
        _write(meter, after, energy)
    _tell(taken, energy, language, json=json)
    good = taken.verdict in (Verdict.ACCEPTED, Verdict.PART_OF_KEY_CHANGE)
    return Exit.OK if good else Exit.NO


def _tell(taken: Taken, energy: Decimal, language: Language | None, *, json: bool) -> None:
    kind = None if taken.token is None else taken.token.kind
    if json:
        told = {"verdict": taken.verdict, "kind": kind, "detail": taken.detail, "kwh": str(energy)}
        print_json(told)
        return
    is_zh = pick_language(language) == ZH
    word = _ZH[taken.verdict] if is_zh else taken.verdict.value
    kind = KINDS_ZH.get(kind, kind) if is_zh and kind is not None else kind
    say(f"{word}{'' if kind is None else f': {kind}'}")
    say(f"{'余量' if is_zh else 'energy'} {energy} kWh")


def _read(path: Path, tables: Any) -> tuple[Meter, Decimal]:
    try:
        kept = js.loads(path.read_text("utf-8"))
        key = DecoderKey(bytes.fromhex(kept["key"]), tables if len(kept["key"]) == 16 else None)
        meter = Meter(key, kept["base_year"], kept["key_expiry"], tuple(kept["used"]))
        parts = {place: decode(digits, key) for place, digits in kept["sections"]}
        energy = Decimal(kept["kwh"])
    except (ValueError, KeyError, TypeError, ArithmeticError):
        raise ConfigError("is no simulated meter for tokens", file=str(path)) from None
    return replace(meter, sections=parts, window_ends_s=kept["window_ends_s"]), energy


def _write(path: Path, meter: Meter, energy: Decimal) -> None:
    """As a whole: the key stands in it, so nobody else may read it."""
    kept = {
        "key": meter.key.secret.hex(),
        "base_year": meter.base_year,
        "key_expiry": meter.key_expiry,
        "used": meter.used,
        "sections": [(place, token.digits) for place, token in meter.sections.items()],
        "window_ends_s": meter.window_ends_s,
        "kwh": str(energy),
    }
    draft = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        js.dump(kept, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
