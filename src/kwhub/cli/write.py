"""``kwhub write``: a parameter of a meter, written and read back."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from kwhub.cli.changing import (
    Place,
    Talked,
    change_as_json,
    exit_code,
    nothing_changed,
    show_change,
    talk,
    who,
)
from kwhub.cli.consent import (
    LevelOption,
    OperatorOption,
    PasswordFileOption,
    YesFlag,
    agreed,
    authority,
)
from kwhub.cli.output import EN, JsonFlag, Language, LanguageOption, pick_language, print_json
from kwhub.cli.read import AttemptsOption, MeterOption, WaitOption
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.change import Change
from kwhub.exchange.parameters import ELSEWHERE, Stored, payload_of, plain_values, write_payload
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode, find, identifier_text

__all__ = ["write"]

LEVEL = 4
IDENTIFIER = re.compile(r"[0-9A-F]{8}|[0-9A-F]{4}")
DIGITS_1997 = 4


RawFlag: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--raw", negative="", help="The value is hexadecimal bytes in the order of the wire."
    ),
]
Values: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be written, and how it is called."""

    identifier: int
    payload: bytes
    edition: Edition
    language: Language

    @property
    def name(self) -> str:
        """The identifier and its name."""
        text = identifier_text(self.identifier, self.edition)
        known = find(self.identifier, self.edition)
        if known is None:
            return text
        return f"{text} {known.name_en if self.language == EN else known.name_zh}"

    def said(self, payload: bytes) -> str:
        """The values in words; the bytes where no table explains them."""
        try:
            values = decode(self.identifier, payload, self.edition)
        except DecodeError:
            return payload.hex(" ").upper()
        nothing = "no value" if self.language == EN else "无数据"
        return ", ".join(
            nothing if value.value is None else f"{value.value} {value.unit}".rstrip()
            for value in values
        )

    def plain(self, stored: Stored) -> dict[str, Any]:
        """What the meter keeps, for programs."""
        return {"value": self.said(stored.payload), "bytes": stored.payload}


def write(
    link: str,
    item: str,
    *values: Values,
    meter: MeterOption = None,
    raw: RawFlag = False,
    level: LevelOption = LEVEL,
    password_file: PasswordFileOption = None,
    operator: OperatorOption = "00000000",
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Write a parameter of a DL/T 645 meter and read it back.

    It is asked about first. A refused write is read back too, for meters have been seen to
    refuse and to change all the same. The exit code is 1 when the meter refused or does not show
    the value, 3 when it was silent. Example:

        kwhub write tcp:127.0.0.1:6450 04000103 30 --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    item
        Data identifier, high byte first: eight digits, or four for a 1997 meter.
    values
        As `kwhub read` and `kwhub decode` show them; a record takes several.
    """
    wanted = _wanted(item, values, pick_language(language), raw=raw)
    place = Place(link, meter, wait_s, attempts, wanted.edition)
    what = f"{wanted.name} = {wanted.said(wanted.payload)}: {who(place, wanted.language)}"
    if not agreed(what, yes=yes, language=wanted.language):
        return nothing_changed(wanted.language)
    may = authority(level, password_file, operator, wanted.language)
    done = asyncio.run(
        talk(
            place,
            lambda address: write_payload(
                address, wanted.identifier, wanted.payload, may, wanted.edition
            ),
        )
    )
    _tell(done, wanted, json=json)
    return exit_code(done.result.verdict)


def _tell(done: Talked[Change[Stored]], wanted: _Wanted, *, json: bool) -> None:
    if json:
        text = identifier_text(wanted.identifier, wanted.edition)
        said = wanted.said(wanted.payload)
        action = {
            "identifier": text,
            "name": wanted.name,
            "wanted": said,
            "bytes": wanted.payload,
        }
        print_json(change_as_json(done, action, wanted.plain))
        return
    change = done.result
    before, after = (
        "" if stored is None else wanted.said(stored.payload)
        for stored in (change.before, change.after)
    )
    show_change(done, [(wanted.name, before, after)], wanted.edition, wanted.language)


def _wanted(item: str, values: tuple[str, ...], language: Language, *, raw: bool) -> _Wanted:
    identifier, edition = _identifier(item)
    return _Wanted(identifier, _payload(identifier, values, edition, raw=raw), edition, language)


def _identifier(text: str) -> tuple[int, Edition]:
    digits = text.upper().translate(str.maketrans("", "", "-: "))
    if IDENTIFIER.fullmatch(digits) is None:
        raise LocalError(f"{text!r} is no data identifier: eight hexadecimal digits, or four")
    edition = Edition.E1997 if len(digits) == DIGITS_1997 else Edition.E2007
    identifier = int(digits, 16)
    if identifier in ELSEWHERE:
        raise LocalError(f"{digits}: {ELSEWHERE[identifier]}")
    return identifier, edition


def _payload(identifier: int, values: tuple[str, ...], edition: Edition, *, raw: bool) -> bytes:
    if not values:
        raise LocalError("give the value to be written")
    if not raw:
        return payload_of(identifier, plain_values(identifier, values, edition), edition)
    try:
        return bytes.fromhex("".join(values))
    except ValueError:
        raise LocalError(f"{' '.join(values)!r} is not made of hexadecimal bytes") from None
