"""``kwhub address``: the communication address of a meter, shown or changed."""

import asyncio

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
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.read import AttemptsOption, MeterOption, ProtocolOption, WaitOption, edition_of
from kwhub.domain.errors import LocalError
from kwhub.exchange.address import change_address, stored_address, write_address
from kwhub.exchange.change import Change
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.addresses import WILDCARD, is_plain, normalise
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["address"]

LEVEL = 4
WORDS = {
    "en": {
        "question": "give it the address {new} by its programming key",
        "by_password": "give it the address {new} by password",
        "title": "address",
        "named": "a meter of 1997 takes an address only when it is alone on the line: without --meter",
        "unnamed": "a meter of 1997 cannot be asked for its address: try kwhub scan",
        "same": "{new} is its address already",
    },
    "zh": {
        "question": "凭编程键将通信地址改为 {new}",
        "by_password": "凭密码将通信地址改为 {new}",
        "title": "通信地址",
        "named": "1997版电表只在线路上仅有一块表时接受新地址：请去掉 --meter",
        "unnamed": "1997版电表无法查询地址：请用 kwhub scan",
        "same": "通信地址已是 {new}",
    },
}


def address(
    link: str,
    new: str | None = None,
    *,
    meter: MeterOption = None,
    protocol: ProtocolOption = Edition.E2007.value,
    level: LevelOption = LEVEL,
    password_file: PasswordFileOption = None,
    operator: OperatorOption = "00000000",
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show the address of a meter, or give it a new one.

    With --meter one meter of many is told by password. Without it the only meter on the line is
    told, whose programming key must be pressed. It is asked about first, and read back under the
    new address. The exit code is 1 when the meter refused or does not show it, 3 when it was
    silent. Example:

        kwhub address tcp:127.0.0.1:6450 000000000123 --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    new
        New address, up to twelve digits; without it the present one is shown.
    """
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts, edition_of(protocol))
    words = WORDS[spoken]
    if new is None:
        return _show(place, spoken, json=json)
    wanted = _plain(new)
    _check(place, wanted, spoken)
    question = words["question" if meter is None else "by_password"].format(new=wanted)
    if not agreed(f"{question}: {who(place, spoken)}", yes=yes, language=spoken):
        return nothing_changed(spoken)
    done = _change(place, wanted, spoken, level, password_file, operator)
    if json:
        print_json(change_as_json(done, {"wanted": wanted}, str))
    else:
        change = done.result
        rows = [(words["title"], change.before or "", change.after or "")]
        show_change(done, rows if any(rows[0][1:]) else (), place.edition, spoken)
    return exit_code(done.result.verdict)


def _change(
    place: Place,
    new: str,
    language: Language,
    level: int,
    password_file: PasswordFileOption,
    operator: str,
) -> Talked[Change[str]]:
    if place.meter is None:
        return asyncio.run(talk(place, lambda _: write_address(new, place.edition), to=WILDCARD))
    may = authority(level, password_file, operator, language)
    return asyncio.run(talk(place, lambda old: change_address(old, new, may)))


def _show(place: Place, language: Language, *, json: bool) -> int:
    if place.edition is Edition.E1997:
        raise LocalError(WORDS[language]["unnamed"])
    talked = asyncio.run(talk(place, stored_address))
    if json:
        print_json({"meter": talked.address, "stored": talked.result, "line": talked.line})
    else:
        say(talked.result)
    return Exit.OK


def _check(place: Place, new: str, language: Language) -> None:
    if place.edition is Edition.E1997 and place.meter is not None:
        raise LocalError(WORDS[language]["named"])
    if place.address == new:
        raise LocalError(WORDS[language]["same"].format(new=new))


def _plain(text: str) -> str:
    address = normalise(text)
    if not is_plain(address):
        raise LocalError(f"{text!r} is no address of one meter")
    return address
