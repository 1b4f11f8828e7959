"""What the commands that change a meter share: reaching it, and telling what has become of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kwhub.cli.line_facts import line_facts
from kwhub.cli.output import ZH, Exit, Language, complain, print_table, say
from kwhub.client import Line, connect
from kwhub.domain.errors import LocalError, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict
from kwhub.protocols.dlt645.addresses import BROADCAST, is_plain, normalise
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.dlt645.refusals import reasons_zh, words_for

__all__ = [
    "Place",
    "Talked",
    "change_as_json",
    "error_text",
    "exit_code",
    "nothing_changed",
    "show_change",
    "talk",
    "who",
]

T = TypeVar("T")

VERDICTS: Mapping[Language, Mapping[Verdict, str]] = {
    "en": {
        Verdict.DONE: "done: the meter shows it",
        Verdict.TAKEN: "the meter has agreed; nothing shows whether it is so",
        Verdict.SENT: "sent to all meters; none answers that",
        Verdict.PENDING: "ordered: the meter waits with it",
        Verdict.NOT_DONE: "not done: the meter shows that it is not so",
        Verdict.REFUSED: "refused",
        Verdict.REFUSED_BUT_CHANGED: "refused, and yet the meter has changed",
        Verdict.NO_ANSWER: "no answer, and no sign that it was done",
    },
    "zh": {
        Verdict.DONE: "已完成：电表已反映",
        Verdict.TAKEN: "电表已确认；无法读回验证",
        Verdict.SENT: "已广播；电表不应答",
        Verdict.PENDING: "已下达：电表延时执行",
        Verdict.NOT_DONE: "未完成：电表未反映",
        Verdict.REFUSED: "被拒绝",
        Verdict.REFUSED_BUT_CHANGED: "被拒绝，但电表数据已改变",
        Verdict.NO_ANSWER: "无应答，也未见执行",
    },
}
NOTHING_CHANGED = {"en": "nothing was changed", "zh": "未作任何更改"}
EVERYBODY = {"en": "all meters on {link}", "zh": "{link} 上的所有电表"}
ONE = {"en": "meter {address} on {link}", "zh": "{link} 上的电表 {address}"}
THE_ONLY_ONE = {"en": "the only meter on {link}", "zh": "{link} 上唯一的电表"}


@dataclass(frozen=True, slots=True)
class Place:
    """A meter and the way to it.

    Attributes:
        link: the address of the link.
        meter: what the user gave; None asks the only meter on the line.
        wait_s: for a meter whose answer times are not known yet.
    """

    link: str
    meter: str | None
    wait_s: float
    attempts: int
    edition: Edition = Edition.E2007

    @property
    def address(self) -> str | None:
        """Twelve digits. Raises LocalError: a change goes to one meter that has a name."""
        if self.meter is None:
            return None
        address = normalise(self.meter)
        if not is_plain(address):
            raise LocalError(f"{self.meter!r} is no address of one meter")
        return address

    async def reached(self, line: Line) -> str:
        """The address of the meter, asked for when it was not given.

        Raises:
            LocalError: it was not given, and a meter of 1997 has no way to tell it.
        """
        if self.meter is None and self.edition is Edition.E1997:
            raise LocalError("a meter of 1997 cannot be asked for its address: give --meter")
        return self.address or (await line.find()).address


@dataclass(frozen=True, slots=True)
class Talked(Generic[T]):
    """What a conversation brought, from whom, and how the line behaved."""

    address: str
    result: T
    line: Mapping[str, Any]


async def talk(
    place: Place,
    conversation: Callable[[str], Conversation[T]],
    *,
    to_all: bool = False,
    to: str | None = None,
) -> Talked[T]:
    """Open the link, find the meter, run a conversation with it; or with whoever hears ``to``."""
    async with connect(place.link, answer_timeout_s=place.wait_s, attempts=place.attempts) as line:
        address = to or (BROADCAST if to_all else await place.reached(line))
        result = await line.run(conversation(address))
        return Talked(address, result, line_facts(line.driver, line.answer_times, address))


def who(place: Place, language: Language, *, to_all: bool = False) -> str:
    """Whom a change is about, for the question before it."""
    if to_all:
        return EVERYBODY[language].format(link=place.link)
    if place.address is None:
        return THE_ONLY_ONE[language].format(link=place.link)
    return ONE[language].format(address=place.address, link=place.link)


def nothing_changed(language: Language) -> int:
    """The answer to the question was no."""
    complain(NOTHING_CHANGED[language])
    return Exit.NO


def exit_code(verdict: Verdict) -> int:
    """0 when it went as wanted, 3 when the meter was silent, else 1."""
    if verdict.good:
        return Exit.OK
    return Exit.LINK if verdict is Verdict.NO_ANSWER else Exit.NO


def error_text(error: Exception | None, edition: Edition, language: Language) -> str:
    """Why not; a refusal in the language of the user."""
    if error is None:
        return ""
    if not isinstance(error, Refusal):
        return str(error)
    if language == ZH and error.raw:
        frame = parse(error.raw)
        words = words_for(edition, frame.function, len(frame.data))
        return "，".join(reasons_zh(int.from_bytes(frame.data, "little"), words))
    return ", ".join(error.reasons)


def change_as_json(
    talked: Talked[Change[T]],
    action: Mapping[str, Any],
    shown: Callable[[T], object],
) -> dict[str, Any]:
    """A change for programs; ``shown`` makes what the meter showed plain."""
    change = talked.result
    return {
        "meter": talked.address,
        **action,
        "verdict": change.verdict.value,
        "good": change.verdict.good,
        "orders": change.orders,
        "error": None if change.error is None else str(change.error),
        "before": None if change.before is None else shown(change.before),
        "after": None if change.after is None else shown(change.after),
        "line": talked.line,
    }


def show_change(
    talked: Talked[Change[Any]],
    rows: Iterable[tuple[str, str, str]],
    edition: Edition,
    language: Language,
) -> None:
    """A change for people: what the meter showed before and after, and the verdict."""
    headings = {"en": ("", "before", "after"), "zh": ("", "之前", "之后")}
    listed = list(rows)
    if listed:
        print_table(headings[language], listed)
    why = error_text(talked.result.error, edition, language)
    verdict = VERDICTS[language][talked.result.verdict]
    say(f"{talked.address}  {verdict}{': ' + why if why else ''}")
