"""``kwhub clear``: the maximum demands of a meter, its event records, or all that it has counted."""

import asyncio
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

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
from kwhub.cli.consent import OperatorOption, PasswordFileOption, YesFlag, authority, typed
from kwhub.cli.output import JsonFlag, Language, LanguageOption, pick_language, print_json
from kwhub.cli.read import AttemptsOption, MeterOption, ProtocolOption, WaitOption, edition_of
from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change
from kwhub.exchange.clearing import clear_demand, clear_events, clear_meter
from kwhub.exchange.events import EVENTS
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.orders import ALL_EVENTS

__all__ = ["clear"]

What: TypeAlias = Literal["demand", "meter", "events"]

LEVELS: dict[What, int] = {"demand": 4, "meter": 2, "events": 2}
"""The weakest level whose password is enough."""

WORDS = {
    "en": {
        "demand": "set all maximum demands to zero",
        "meter": "set energies, demands and records to zero, for good",
        "events": "delete event records ({events})",
        "counter": "times cleared",
        "all": "of every kind",
    },
    "zh": {
        "demand": "最大需量清零",
        "meter": "电表清零（电能、需量及记录），不可恢复",
        "events": "事件清零（{events}）",
        "counter": "清零次数",
        "all": "全部事件",
    },
}

KindOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--kind", help="With events: only these, such as power_down; see kwhub events."),
]
LevelOfPassword: TypeAlias = Annotated[
    int | None,
    Parameter(
        name="--level",
        validator=Number(gte=0, lte=9),
        help="Permission level of the password; otherwise 4 for demand, 2 for meter and events.",
    ),
]


def clear(
    link: str,
    what: What,
    *,
    kind: KindOption = None,
    meter: MeterOption = None,
    protocol: ProtocolOption = Edition.E2007.value,
    level: LevelOfPassword = None,
    password_file: PasswordFileOption = None,
    operator: OperatorOption = "00000000",
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Clear the maximum demands of a meter, its event records, or everything that it has counted.

    There is no way back, so the word must be typed again; --yes is for scripts. The meter's own
    counter of clearings is read before and after. The exit code is 1 when the meter refused or its
    counter did not move, 3 when it was silent. Example:

        kwhub clear tcp:127.0.0.1:6450 demand --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    what
        demand (maximum demands), meter (energies, demands, records) or events.
    """
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts, edition_of(protocol))
    events, words = _events(what, kind), WORDS[spoken]
    if what != "demand" and place.edition is Edition.E1997:
        raise LocalError(f"{protocol} has no order to clear the {what}: only the demand")
    said = words[what].format(events=kind or words["all"])
    if not typed(what, f"{said}: {who(place, spoken)}", yes=yes, language=spoken):
        return nothing_changed(spoken)
    may = authority(LEVELS[what] if level is None else level, password_file, operator, spoken)

    def order(address: str) -> Conversation[Change[int]]:
        if what == "demand":
            return clear_demand(address, may, place.edition)
        return clear_meter(address, may) if what == "meter" else clear_events(address, may, events)

    done = asyncio.run(talk(place, order))
    _tell(done, what, kind, place.edition, spoken, json=json)
    return exit_code(done.result.verdict)


def _events(what: What, kind: str | None) -> int:
    if kind is None:
        return ALL_EVENTS
    if what != "events":
        raise LocalError("--kind goes with events")
    if kind not in EVENTS:
        raise LocalError(f"no event {kind!r}; there are {', '.join(EVENTS)}")
    return EVENTS[kind].counter | 0xFF


def _tell(
    done: Talked[Change[int]],
    what: What,
    kind: str | None,
    edition: Edition,
    language: Language,
    *,
    json: bool,
) -> None:
    if json:
        print_json(change_as_json(done, {"cleared": what, "kind": kind}, int))
        return
    before, after = (
        "" if count is None else str(count) for count in (done.result.before, done.result.after)
    )
    rows = [(WORDS[language]["counter"], before, after)] if before or after else []
    show_change(done, rows, edition, language)
