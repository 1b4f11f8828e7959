"""What the head-end itself writes into the audit trail, in the reader's words.

The trail keeps its rows as they were written, in English, for they are chained by their digests. Here they are
recognised by their form and told in either language. What a person has written (a reason, a note, a name) stays as it is,
and so does a row of a form that nobody knows.
"""

import re
from collections.abc import Callable
from datetime import datetime

from kwhub.headend.archive.fields import KINDS
from kwhub.headend.web.language import Texts

__all__ = [
    "DETAILS",
    "SUBJECTS",
    "detail_words",
    "field_words",
    "heading",
    "subject_words",
    "who_words",
]

_MOMENT = r"\d{4}-\d\d-\d\dT[\d:.]+(?:\+[\d:]+|Z)?"
_DAY = r"\d{4}-\d\d-\d\d"

DETAILS: tuple[tuple[str, str, str], ...] = (
    (rf"from (?P<at>{_MOMENT})", "from {at} on", "自 {at} 起"),
    (rf"from (?P<day>{_DAY})", "from {day} on", "自 {day} 起"),
    (rf"at (?P<at>{_MOMENT}); (?P<rest>.*?);?", "at {at}: {rest}", "{at}：{rest}"),
    (r"by password from (?P<peer>\S*)", "with the password, from {peer}", "使用密码，来自 {peer}"),
    (r"by link from (?P<peer>\S*)", "by a link, from {peer}", "使用登录链接，来自 {peer}"),
    (r"by reset from (?P<peer>\S*)", "by a new password, from {peer}", "设置新密码，来自 {peer}"),
    (r"from (?P<peer>\S+)", "from {peer}", "来自 {peer}"),
    (r"(?P<n>\d+) meters", "{n} meters", "{n} 只电表"),
    (
        r"(?P<file>.*): (?P<n>\d+) created, (?P<m>\d+) changed",
        "{file}: {n} created, {m} changed",
        "{file}：新建 {n} 行，变更 {m} 行",
    ),
    (rf"(?P<n>\d+) before (?P<day>{_DAY})", "{n} before {day}", "{day} 之前的 {n} 条"),
    (r"(?P<file>.*), (?P<n>\d+) bytes", "{file}, {n} bytes", "{file}，{n} 字节"),
    (r"(?P<n>\d+) orders: (?P<rest>.*)", "{n} orders: {rest}", "{n} 条命令：{rest}"),
    (
        r"order (?P<n>\d+): (?P<what>[a-z-]+) at meter (?P<meter>\d+)",
        "order {n}: {what} at meter {meter}",
        "命令 {n}：对电表 {meter} 执行 {what}",
    ),
    (
        r"order (?P<n>\d+): (?P<what>[a-z-]+) begins",
        "order {n}: {what} begins",
        "命令 {n}：开始 {what}",
    ),
    (r"order (?P<n>\d+): (?P<rest>.*)", "order {n}: {rest}", "命令 {n}：{rest}"),
    (
        r"work (?P<n>\d+): (?P<what>\S+) at (?P<m>\d+) meters",
        "work {n}: {what} at {m} meters",
        "任务 {n}：{what}，{m} 只电表",
    ),
    (r"work (?P<n>\d+)", "work {n}", "任务 {n}"),
    (r"arrived", "in the meter", "已到表"),
    (r"cancelled", "cancelled", "已撤销"),
    (r"not to be carried out any more", "not to be carried out any more", "不再执行"),
    (
        r"generation (?P<n>\d+) was used again",
        "generation {n} was used again",
        "第 {n} 代证书被再次使用",
    ),
    (r"generation (?P<n>\d+)", "generation {n}", "第 {n} 代证书"),
    (rf"(?P<code>\S+) from (?P<day>{_DAY})", "{code} from {day} on", "自 {day} 起执行 {code}"),
    (
        r"ERC(?P<code>\d+) of (?P<terminal>\S+) point (?P<point>\d+): ?(?P<rest>.*)",
        "event {code} of {terminal}, point {point}: {rest}",
        "终端 {terminal} 测量点 {point} 的事件 {code}：{rest}",
    ),
    (r"key (?P<n>\d+)", "key {n}", "密钥 {n}"),
    (
        r"no trip: the order is (?P<what>\S+)",
        "no trip: the order is {what}",
        "不予跳闸：命令状态为 {what}",
    ),
    (
        r"no trip: the archive has no active meter with this address",
        "no trip: the archive has no active meter with this address",
        "不予跳闸：档案中没有此地址的在用电表",
    ),
    (
        r"no trip: the hour's budget of trips is used up, of this person or of this area",
        "no trip: the hour's budget of trips is used up, of this person or of this area",
        "不予跳闸：此人或此台区本小时的跳闸额度已用完",
    ),
    (r"no trip: (?P<rest>.*)", "no trip: {rest}", "不予跳闸：{rest}"),
)
"""Form of a detail, and what it says in English and Chinese; the first that fits counts."""

_FORMS = tuple((re.compile(form, re.DOTALL), en, zh) for form, en, zh in DETAILS)
_ROLES = re.compile(r"(?:[^@\s]+ )?\S+@\S+(?:, \S+@\S+)*(?: -> (?:\S+@\S+(?:, \S+@\S+)*)?)?")
_ROLE = re.compile(r"\b(viewer|operator|engineer|vendor|auditor|admin)@(\w+)")

SUBJECTS = {
    "meter": "电表",
    "terminal": "终端",
    "area": "台区",
    "organisation": "组织机构",
    "customer": "用户",
    "account": "账户",
    "group": "分组",
    "user": "人员",
    "order": "命令",
    "task": "任务",
    "statement": "账单",
    "tariff": "电价",
    "edits": "修正",
    "exchange": "换表",
    "import": "导入",
    "alarm": "告警",
    "log-in": "登录",
    "work": "任务",
}
"""Things that have a number, as they are named in English and in Chinese."""

_SUBJECT = re.compile(rf"\b({'|'.join(map(re.escape, SUBJECTS))})(?=$|,| (?=\S))")

_SINCE = re.compile(rf" from ({_DAY})$")

_FIELDS = {
    one.column: one.titles for kind in tuple(KINDS.values())[::-1] for one in kind.fields
} | {
    "ratio": ("Ratio", "综合变比"),
    "origin": ("Kept by", "维护方"),
    "at": ("Moment", "时间"),
    "meters": ("Meters", "电表"),
    "readings": ("Readings", "示值"),
}
"""Columns of the archive by their headings."""


_WHO = {"command line": "命令行"}


def detail_words(t: Texts, detail: str, moment: Callable[[datetime], str]) -> str:
    """A detail in the reader's words; one that nobody knows as it was written.

    Args:
        t: of the reader.
        detail: as it stands in the trail, without the fields that were changed.
        moment: a moment as the site shows it.
    """
    for form, english, chinese in _FORMS:
        if found := form.fullmatch(detail):
            values = found.groupdict()
            if at := values.get("at"):
                values["at"] = moment(datetime.fromisoformat(at))
            return t.either(english, chinese).format(**values)
    if _ROLES.fullmatch(detail):
        return _ROLE.sub(lambda one: _role(t, one[1], one[2]), detail)
    return detail


def subject_words(t: Texts, subject: str) -> str:
    """What an action was done to: numbers and keys stay, and so does everything in English."""
    if t.code != "zh":
        return subject
    named = _SUBJECT.sub(lambda one: SUBJECTS[one[1]], subject)
    return _SINCE.sub(r" 自 \1 起", named)


def who_words(t: Texts, who: str) -> str:
    """Who did it: names stay, and so does everything in English."""
    return _WHO.get(who, who) if t.code == "zh" else who


def heading(t: Texts, name: str) -> str:
    """The heading of a column of the archive, as forms have it; any other name as it is."""
    return t.either(*_FIELDS[name]) if name in _FIELDS else name


def field_words(t: Texts, name: str) -> str:
    """The Chinese heading of a column of the archive; any other name, and all in English, as in files and the API."""
    return _FIELDS[name][1] if t.code == "zh" and name in _FIELDS else name


def _role(t: Texts, role: str, where: str) -> str:
    """A role, and the number of the organisation in which somebody has it."""
    everywhere = t("people.everywhere") if where == "all" else f"#{where}"
    return f"{t(f'people.role_{role}')} ({everywhere})"
