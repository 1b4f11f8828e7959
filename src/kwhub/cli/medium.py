"""``kwhub medium``: hold a medium to its meter, and see what it carries."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter

from kwhub.cli.changing import Place, talk
from kwhub.cli.counter import MediumOption, open_medium
from kwhub.cli.output import ZH, Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.cli.read import AttemptsOption, WaitOption
from kwhub.links.drive import ATTEMPTS
from kwhub.prepay.medium import Arrival, Visit, visit
from kwhub.prepay.reasons import words, words_zh
from kwhub.prepay.run_information import RunInformation

__all__ = ["AddressOption", "show_medium", "visit_meter"]

AddressOption = Annotated[
    str | None,
    Parameter(name="--meter", help="Address on the line; otherwise the number of the meter."),
]
_ARRIVALS = {
    Arrival.DONE: ("loaded", "购电已写入"),
    Arrival.ALREADY: ("already loaded", "此次购电已在表内"),
    Arrival.NOTHING: ("read; nothing to load", "已抄读，无购电"),
    Arrival.REFUSED: ("refused", "被拒绝"),
    Arrival.UNKNOWN: ("no answer: hold it to the meter again", "无应答，请重试"),
}
_CODES = {Arrival.REFUSED: Exit.NO, Arrival.UNKNOWN: Exit.LINK}


def _money(hundredths: int) -> str:
    return f"{Decimal(hundredths) / 100:.2f}"


def visit_meter(
    link: str,
    *,
    medium: MediumOption,
    meter: AddressOption = None,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Bring what a medium carries into its meter, and take the usage along; may be repeated at will.

    The exit code is 1 when the meter refuses, 3 when it is silent. Example:

        kwhub medium visit ir:serial:/dev/ttyUSB1 --medium wang.medium

    Parameters
    ----------
    link
        Way to the meter: ir:serial:/dev/ttyUSB1, tcp:10.0.0.7:4001
    """
    with open_medium(medium) as element:
        address = meter or element.meter.hex()
        place = Place(link, address, wait_s, attempts)
        seen = asyncio.run(talk(place, lambda to: visit(element, to))).result
    if json:
        print_json({"meter": address, **_as_json(seen)})
    else:
        _tell(seen, is_zh=pick_language(language) == ZH)
    return _CODES.get(seen.arrival, Exit.OK)


def _as_json(seen: Visit) -> dict[str, Any]:
    return {
        "arrival": seen.arrival.value,
        "good": seen.arrival.good,
        "error": None if seen.error is None else list(words(seen.error)),
        "permitted": seen.permitted,
        "told": None if seen.told is None else _told(seen.told),
    }


def _told(told: RunInformation) -> dict[str, Any]:
    moment = None if told.moment is None else told.moment.isoformat()
    return {"money": _money(told.money), "count": told.count, "moment": moment}


def _tell(seen: Visit, *, is_zh: bool) -> None:
    text = _ARRIVALS[seen.arrival][is_zh]
    if seen.error is not None:
        text += ("：" if is_zh else ": ") + ", ".join((words_zh if is_zh else words)(seen.error))
    say(text)
    if seen.told is not None:
        names = ("剩余金额", "购电次数") if is_zh else ("left", "purchases")
        say(f"{names[0]} {_money(seen.told.money)}, {names[1]} {seen.told.count}")
    if seen.permitted:
        say("已允许合闸" if is_zh else "closing is permitted: press the meter's key")


def show_medium(
    *, medium: MediumOption, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Show what a medium carries and what it has brought back.

    It shows no key. Example:

        kwhub medium show --medium wang.medium
    """
    with open_medium(medium) as element:
        load, usage = element.load, element.usage
        told = None if usage is None else RunInformation.from_bytes(usage.run_information)
        facts = {
            "medium": element.serial.hex(),
            "meter": element.meter.hex(),
            "customer": element.customer.hex(),
            "amount": None if load is None else _money(load.amount),
            "count": None if load is None else load.count,
            "usage": None if told is None else _told(told),
        }
    if json:
        print_json(facts)
        return Exit.OK
    titles = (
        ("介质", "电表", "用户", "金额", "购电次数", "带回")
        if (pick_language(language) == ZH)
        else tuple(facts)
    )
    for title, value in zip(titles, facts.values(), strict=True):
        if isinstance(value, dict):
            say(f"{title}: {value['money']}, {value['count']}, {value['moment']}")
        elif value is not None:
            say(f"{title}: {value}")
    return Exit.OK
