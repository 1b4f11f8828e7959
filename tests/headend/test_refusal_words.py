"""Every sentence that a page can show has its Chinese words, and every row of the tables a sentence of the code."""

import re
from itertools import product

import msgspec
import pytest
from tests.headend.sentences import HOLE, WORDED, Sentence, constants, sentences

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.exchange.change import Change, Verdict
from kwhub.headend.orders.outcome import of_change
from kwhub.headend.web.language import texts
from kwhub.headend.web.refusals import SENTENCES, VOCABULARY, in_chinese, said, told
from kwhub.headend.web.request_words import DECODER
from kwhub.protocols.gdw1376.missing_values import CAUSES

SAID = tuple(sentences())
FILLS = ("7", "2026-03-01", "CNY", "meter")
"""What may stand where a sentence changes; one of them fits every form."""
FILLED_MOST = 5
LEAST = 4
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ZH = texts("zh")


def examples(sentence: Sentence):
    """The sentence with its parts filled in."""
    before = "refused: " if sentence.error.endswith("Refusal") else ""
    pieces = sentence.text.split(HOLE)
    many = min(len(pieces) - 1, FILLED_MOST)
    for fill in product(FILLS, repeat=many):
        parts = [*fill, *["7"] * (len(pieces) - 1 - many), ""]
        yield before + "".join(a + b for a, b in zip(pieces, parts, strict=True))


def has_words(sentence: Sentence) -> bool:
    return any(CHINESE.search(in_chinese(each)) for each in examples(sentence))


def test_the_walk_finds_what_is_there():
    known = {each.text for each in SAID}
    assert len(known) > 200
    assert "a second person must approve: not the one who has ordered" in known
    assert f"order {HOLE} does not wait for an approval: {HOLE}" in known
    assert f"the archive has no active terminal {HOLE} where you have {HOLE}" in known
    assert "the meter has refused; nothing has changed" in known
    assert not WORDED & {each.error for each in SAID}


def test_every_sentence_has_its_chinese():
    told_of = [each for each in SAID if re.search(r"[A-Za-z]{3}", each.text)]
    assert [f"{each.place} {each.text!r}" for each in told_of if not has_words(each)] == []


@pytest.mark.parametrize(("english", "chinese"), SENTENCES, ids=[each for each, _ in SENTENCES])
def test_every_row_is_a_sentence_of_the_code(english, chinese):
    names = re.compile(r"\{(\w+)\}")
    assert set(names.findall(english)) >= set(names.findall(chinese))
    if (english, chinese) in DECODER:
        return
    if names.sub(HOLE, english) in WHOLE:
        return
    pieces = [
        each for piece in names.split(english)[::2] if len(each := piece.rstrip(":; ")) >= LEAST
    ]
    assert [each for each in pieces if not any(each in one for one in CONSTANTS)] == []


CONSTANTS, WHOLE = constants(), {each.text for each in SAID}


def test_an_unknown_sentence_stays_and_english_stays_english():
    assert in_chinese("something else") == "something else"
    assert said(texts("en"), "denied") == "denied"
    assert told(ZH, LocalError("a second person must approve: not the one who has ordered")) == (
        "须由下令人以外的人审批"
    )


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (
            Refusal(("no such data", "password wrong or not authorised")),
            "拒绝：无请求数据、密码错或未授权",
        ),
        (Refusal(("no such data", "whatever")), "refused: no such data, whatever"),
        (NoAnswer("the terminal did not answer", attempts=3), "终端没有应答（共尝试 3 次）"),
        (LocalError("no trip: protected supply"), "不予跳闸：受保护的供电用户"),
        (LocalError("task 3 is paused, not running"), "任务 3 的状态是“已暂停”，不是“执行中”"),
        (
            LocalError("order 3 does not wait for an approval: expired"),
            "命令 3 不在等待审批（已过期）",
        ),
        (
            LocalError("order 3 does not wait for an approval: it is recalled"),
            "命令 3 不在等待审批（已收回）",
        ),
        (LocalError("relay needs the right control"), "“继电器控制”须有“控制设备”权限"),
        (LocalError("refused: the purchase is cancelled"), "此次购电的状态为 已撤销"),
        (
            LocalError("2 x silent (open), 1 x clock (lost)"),
            "2 个：电表无应答（待补），1 个：当时电表时钟错误（永久缺失）",
        ),
        (LocalError("this is no tariff: prices: at least one"), "电价有误：电价：至少一个"),
        (LocalError("meter 7"), "电表 7"),
    ],
)
def test_what_is_said(error, chinese):
    assert told(ZH, error) == chinese


def test_every_end_of_a_change_has_its_words():
    for verdict in Verdict:
        change: Change[object] = Change(verdict, None, None, error=Refusal(("no such data",)))
        detail = of_change(change, None).detail
        assert CHINESE.search(in_chinese(detail)), detail
        assert not re.search(r"[a-z]{3}", in_chinese(detail)), in_chinese(detail)


@pytest.mark.parametrize("key", VOCABULARY.values())
def test_words_of_the_code_have_texts(key):
    assert any(each.startswith(key) for each in ZH.table)


@pytest.mark.parametrize("cause", CAUSES.values())
def test_every_cause_of_a_missing_value_has_its_words(cause):
    for t in (texts("en"), ZH):
        assert t(f"completeness.cause_{cause}")


class Form(msgspec.Struct):
    number: int
    kind: str = "x"


@pytest.mark.parametrize("raw", ['{"number": "x"}', "{}", '{"number": 1, "kind": 2}'])
def test_what_the_decoder_says_has_words(raw):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=Form)
    assert CHINESE.search(in_chinese(str(caught.value)))
