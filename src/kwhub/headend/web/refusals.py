"""Refusals in the words of the reader: the code says them in English, here they are told in Chinese.

The services raise errors with English sentences, for the API, the log and the command line tell them as they are. The
tables know each sentence by its form; a test walks the code and holds every sentence that a page can show to a row.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from kwhub.domain.errors import KwhubError
from kwhub.headend.vending_words import COUNTER
from kwhub.headend.web.device_words import DEVICES
from kwhub.headend.web.language import Texts, texts
from kwhub.headend.web.order_words import ORDERS, OUTCOMES
from kwhub.headend.web.quality_words import QUALITY
from kwhub.headend.web.request_words import DECODER, REQUESTS, THINGS
from kwhub.prepay.reasons import WORDS as SECURITY
from kwhub.protocols.dlt645.refusals import ERR_1997, ERR_2007, RELAY_ERR

__all__ = ["SENTENCES", "VOCABULARY", "form_of_sentence", "in_chinese", "said", "told"]

SENTENCES: Final = (*ORDERS, *OUTCOMES, *DEVICES, *REQUESTS, *DECODER)
"""Rows whose English is the sentence itself, with a name in braces for each part that changes."""

VOCABULARY: Final[Mapping[str, str]] = {
    "device_state": "devices.state_",
    "finding_state": "findings.state_",
    "hole_cause": "completeness.cause_",
    "hole_state": "completeness.state_",
    "kind": "tasks.kind_",
    "operation": "devices.op_",
    "order_state": "state.",
    "right": "people.right_",
    "sale_state": "vending.state_",
    "tariff_field": "bills.",
    "task_state": "tasks.state_",
    "work_state": "devices.work_",
}
"""Parts that are words of the code, by their name: where the texts of the pages have them."""

_REFUSED: Final = "refused: "
_NUMBERS: Final = frozenset({"count", "most", "number"})
_TRIES: Final = re.compile(r"(?P<why>.+) after (?P<count>\d+) attempts?", re.DOTALL)
_PLACE: Final = re.compile(r"\{(\w+)\}")
_WHAT: Final = re.compile(r"(\w+) (\S+)")
_REASONS: Final = (*ERR_1997, *ERR_2007, *RELAY_ERR, *SECURITY)
"""What meters answer, bit by bit."""


def told(t: Texts, error: KwhubError) -> str:
    """Why something was refused, in the language of the reader where it has words for it."""
    return said(t, str(error))


def said(t: Texts, text: str) -> str:
    """A sentence of the code in the language of the reader where it has words for it."""
    return in_chinese(text) if t.code == "zh" else text


def in_chinese(text: str) -> str:
    """A sentence of the code in Chinese; any other text as it is.

    >>> in_chinese("order 7 does not wait for an approval: expired")
    '命令 7 不在等待审批（已过期）'
    """
    return _known(text) or text


def form_of_sentence(english: str) -> re.Pattern[str]:
    """The form of a sentence with names in braces.

    >>> form_of_sentence("order {number} is over").fullmatch("order 7 is over")["number"]
    '7'
    """
    pieces = _PLACE.split(english)
    parts = [_hole(each) if at % 2 else re.escape(each) for at, each in enumerate(pieces)]
    return re.compile("".join(parts), re.DOTALL)


def _hole(name: str) -> str:
    """Words of the code have no blanks in them, numbers have digits; anything may stand elsewhere."""
    if name in _NUMBERS:
        return rf"(?P<{name}>-?\d+)"
    return rf"(?P<{name}>\S+)" if _key(name) else f"(?P<{name}>.+?)"


def _key(name: str) -> str:
    return VOCABULARY.get(name.removesuffix("_2"), "")


@cache
def _forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    known = [(form_of_sentence(english), chinese) for english, chinese in (*_REASONS, *SENTENCES)]
    rows = (*QUALITY, *COUNTER)
    return (*((re.compile(form, re.DOTALL), chinese) for form, chinese in rows), *known)


def _known(text: str) -> str:
    """The Chinese of a text; empty where there is none."""
    for form, chinese in _forms():
        if found := form.fullmatch(text):
            return chinese.format(
                **{name: _part(name, each) for name, each in found.groupdict().items()}
            )
    if found := _TRIES.fullmatch(text):
        return f"{in_chinese(found['why'])}（共尝试 {found['count']} 次）"
    if text.startswith(_REFUSED):
        reasons = _all(text.removeprefix(_REFUSED).split(", "), "、")
        return reasons and f"拒绝：{reasons}"
    thing = _WHAT.fullmatch(text)
    if thing and thing[1] in THINGS:
        return f"{THINGS[thing[1]]} {thing[2]}"
    return _all(text.split(", "), "，") if ", " in text else ""


def _all(parts: Iterable[str], between: str) -> str:
    """Several sentences, when there are words for each of them."""
    chinese = [_known(each) for each in parts]
    return between.join(chinese) if all(chinese) else ""


def _part(name: str, text: str) -> str:
    """A part of a sentence: words of the code have their own, causes are sentences, all else stays as it is."""
    if name == "why":
        return in_chinese(text)
    key = _key(name)
    return texts("zh").table.get(f"{key}{text}", text) if key else text
