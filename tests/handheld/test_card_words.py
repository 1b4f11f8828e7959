"""Nothing of the machine on the screens: kinds of work and what the head-end tells of a meter, in both languages."""

from zoneinfo import ZoneInfo

import pytest

from kwhub.cli.handheld import _visited
from kwhub.exchange.device_messages import Row
from kwhub.handheld.records import Failure, Place, Value, Visit
from kwhub.handheld.screens.card import CardFace
from kwhub.handheld.screens.words import words
from kwhub.headend.identity.makers import OPERATIONS


class Shown(CardFace):
    """A card without a device."""

    def __init__(self, code):
        self.code = code

    @property
    def w(self):
        return words(self.code)

    @property
    def tasks(self):
        return self

    visiting = property(lambda self: self)
    zone = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(("code", "name", "area"), [("en", "name", "area"), ("zh", "名称", "台区")])
def test_the_answer_to_a_question_is_in_words(code, name, area):
    card = Shown(code)
    told = card._told(Row("1-0:1.8.0", "1234.56", 1_772_357_401), 40)
    assert told[0].startswith(words(code).register("1-0:1.8.0"))
    assert told[0].endswith("1234.56 kWh")
    assert told[1].strip() == "03-01 17:30"
    assert [card._told(Row(each, "x"), 20)[0].split() for each in ("name", "area")] == [
        [name, "x"],
        [area, "x"],
    ]


@pytest.mark.parametrize("kind", [*OPERATIONS, "read", "collect", "set-time", "freeze"])
def test_every_kind_of_work_has_a_chinese_word(kind):
    assert words("zh")(f"kind.{kind}") != kind
    assert words("en")(f"kind.{kind}")


def test_what_became_of_an_order_is_in_words():
    zh, en = words("zh"), words("en")
    wait = "refused: there is no such open order: it may be cancelled until 17:32:01"
    assert zh.trouble("Refusal", wait) == "命令在 17:32:01 前可撤销，请之后再执行"
    assert en.trouble("Refusal", wait) == (
        "the order may be cancelled until 17:32:01: carry it after that"
    )
    begun = "its time was over after it was begun; look at the meter, then order anew"
    assert zh.detail(begun) == "执行中断：请先查看电表，再重新下达命令"
    assert zh.detail("no answer from meter 202611200001") == zh("error.NoAnswer")
    assert en.detail(begun) == begun


def test_the_command_tells_failures_in_both_languages():
    failure = Failure(0, "NoAnswer", "no answer from meter 202611200001 after 3 attempts")
    visit = Visit(Place(1, "202611200001"), 1, failure=failure)
    assert _visited(visit, "en") == f"202611200001  {failure.detail}"
    assert _visited(visit, "zh") == f"202611200001  {words('zh')('error.NoAnswer')}"
    read = Visit(visit.place, 1, 60, (Value("1-0:1.8.0", "1.00", "kWh"),))
    assert _visited(read, "zh") == "202611200001  1.00 kWh"
