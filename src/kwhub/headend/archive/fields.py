"""The columns of each kind of row: one table for forms, files and the API alike."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from sqlalchemy import Table

from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.schema import day_number, local_date

__all__ = [
    "FROM_DAY",
    "FROM_DAY_FIELD",
    "KINDS",
    "REQUIRED",
    "Field",
    "Kind",
    "read_day",
    "terminal_key",
]

FROM_DAY = "from_day"
"""A column that files of some kinds may have: the day from which on what is dated in the row is true."""

REQUIRED = object()
"""Default of a column that must be filled."""

_TERMINAL = re.compile(r"(\d{4})-(\d{1,10})")
TERMINAL_MAX = 2_147_483_647
"""More than the 65534 of most places: the address field of Jilin has four bytes for it."""
_ADDRESS = re.compile(r"\d{1,12}")
_FIRST, _LAST = date(2000, 1, 1), date(2100, 1, 1)

Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Attributes:
        name: in files and the API; never translated.
        read: a text that is not empty as the value to store; raises ValueError.
        titles: English and Chinese heading.
        helps: what may stand there, English and Chinese.
        default: stored when nothing is given; REQUIRED when something must be.
        refers: the kind whose key it holds; empty for a plain value.
        choices: the only values; empty when there are more.
    """

    name: str
    read: Read
    titles: tuple[str, str]
    helps: tuple[str, str] = ("", "")
    default: Any = REQUIRED
    refers: str = ""
    choices: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The column of the table."""
        return f"{self.name}_id" if self.refers else self.name

    def show(self, value: Any) -> str:
        """A stored value as it stands in files; ``read`` takes it back."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.name.endswith("_day"):
            return local_date(value).isoformat()
        return str(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of rows."""

    name: str
    table: Table
    titles: tuple[str, str]
    key: str  #: name of the field that tells rows apart
    fields: tuple[Field, ...]

    @property
    def dated(self) -> bool:
        """Whether a file of this kind may say from which day on its rows are true."""
        return self.name in {"meter", "terminal"}

    @property
    def by_name(self) -> dict[str, Field]:
        """Fields by their names."""
        return {each.name: each for each in self.fields}

    def key_of(self, row: Mapping[str, Any]) -> str:
        """The key of a stored row as text."""
        if self.name == "terminal":
            return terminal_key(row["region"], row["number"])
        return str(row[self.key])


def terminal_key(region: str, number: int) -> str:
    """How a terminal is written.

    >>> terminal_key("4101", 7)
    '4101-00007'
    """
    return f"{region}-{number:05}"


def _text(most: int) -> Read:
    def read(text: str) -> str:
        if len(text) > most or "\0" in text or not text.isprintable():
            raise ValueError(text)
        return text

    return read


def _whole(least: int, most: int) -> Read:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return read


def _positive(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or number <= 0 or number > 10**9 or len(text) > 16:
        raise ValueError(text)
    return f"{number:f}"


def _one_of(*words: str) -> Read:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return read


def _number_of(*numbers: int) -> Read:
    def read(text: str) -> int:
        if int(text) not in numbers:
            raise ValueError(text)
        return int(text)

    return read


def _yes_no(text: str) -> bool:
    if text.lower() in {"yes", "true", "1", "是"}:
        return True
    if text.lower() in {"no", "false", "0", "否"}:
        return False
    raise ValueError(text)


def read_day(text: str) -> int:
    """The number of a day that is written as 2026-03-01 or 2026/03/01. Raises ValueError."""
    day = date.fromisoformat(text[:10].replace("/", "-"))
    if not _FIRST <= day < _LAST:
        raise ValueError(text)
    return day_number(day)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError(text)
    return text.zfill(12)


def _terminal(text: str) -> str:
    found = _TERMINAL.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= TERMINAL_MAX:
        raise ValueError(text)
    return terminal_key(found[1], int(found[2]))


def _code(name: str, titles: tuple[str, str], most: int = 64) -> Field:
    helps = (f"its own, at most {most} characters", f"唯一，最多 {most} 个字符")
    return Field(name, _text(most), titles, helps)


def _plain(name: str, en: str, zh: str, most: int = 100) -> Field:
    return Field(
        name,
        _text(most),
        (en, zh),
        (f"at most {most} characters", f"最多 {most} 个字符"),
        default="",
    )


def _refer(name: str, kind: str, en: str, zh: str, *, required: bool = False) -> Field:
    read: Read = {"terminal": _terminal, "meter": _address}.get(kind, _text(64))
    helps = (f"key of a row of {kind}", f"{kind} 中某一行的主键")
    return Field(name, read, (en, zh), helps, default=REQUIRED if required else None, refers=kind)


def _choice(name: str, titles: tuple[str, str], words: tuple[str, ...], default: str) -> Field:
    helps = (f"one of {', '.join(words)}", f"取值：{'、'.join(words)}")
    return Field(name, _one_of(*words), titles, helps, default=default, choices=words)


def _flag(name: str, en: str, zh: str) -> Field:
    return Field(
        name, _yes_no, (en, zh), ("yes or no", "yes 或 no"), default=True, choices=("yes", "no")
    )


def _decimal(name: str, en: str, zh: str, default: str) -> Field:
    helps = ("a number above 0", "大于 0 的数")
    return Field(name, _positive, (en, zh), helps, default=default)


def _numbers(name: str, titles: tuple[str, str], numbers: tuple[int, ...], default: int) -> Field:
    words = tuple(str(each) for each in numbers)
    helps = (f"one of {', '.join(words)}", f"取值：{'、'.join(words)}")
    return Field(name, _number_of(*numbers), titles, helps, default=default, choices=words)


def _range(name: str, titles: tuple[str, str], limits: tuple[int, int], default: Any) -> Field:
    helps = (f"{limits[0]} to {limits[1]}", f"{limits[0]} 至 {limits[1]}")
    return Field(name, _whole(*limits), titles, helps, default=default)


FROM_DAY_FIELD = Field(
    FROM_DAY,
    read_day,
    ("True from", "生效日"),
    (
        "the day from which on place, ratio, area and service are so; empty for a correction",
        "位置、变比、台区与停用自此日起生效；留空表示更正",
    ),
    default=None,
)
"""The column as templates have it."""

_ACTIVE = _flag("active", "Active", "启用")
_NAME = Field("name", _text(200), ("Name", "名称"), ("at most 200 characters", "最多 200 个字符"))
_NAME_ZH = _plain("name_zh", "Chinese name", "中文名称", 200)
_ORGANISATION = _refer("organisation", "organisation", "Organisation", "组织机构")

_METER = (
    Field("address", _address, ("Meter address", "表地址"), ("twelve digits", "12 位数字")),
    _refer("terminal", "terminal", "Terminal", "终端", required=True),
    _range("point", ("Measuring point", "测量点号"), (1, 2040), REQUIRED),
    _range("port", ("Port", "端口"), (1, 31), 2),
    _plain("name", "Name", "名称", 200),
    _choice("kind", ("Kind", "类别"), ("customer", "supply"), "customer"),
    _numbers("phases", ("Phases", "相数"), (1, 3), 1),
    _decimal("ct", "CT ratio", "CT 变比", "1"),
    _decimal("pt", "PT ratio", "PT 变比", "1"),
    _numbers("baud", ("Baud", "波特率"), (300, 600, 1200, 2400, 4800, 7200, 9600, 19200), 2400),
    _choice("protocol", ("Protocol", "规约"), ("dlt645-2007", "dlt645-1997"), "dlt645-2007"),
    _choice(
        "medium",
        ("Medium", "介质"),
        ("electricity", "water", "gas", "heat"),
        "electricity",
    ),
    _plain("maker", "Maker", "厂家"),
    _plain("model", "Model", "型号"),
    _decimal("current_max", "Imax (A)", "最大电流 (A)", ""),
    _decimal("voltage", "Voltage (V)", "额定电压 (V)", "220"),
    _numbers("curve_minutes", ("Curve (min)", "曲线间隔（分）"), (0, 15, 30, 60), 15),
    _flag("hourly", "Hourly values", "小时数据"),
    _flag("day_freeze", "Day freeze", "日冻结"),
    _range("tariffs", ("Tariffs", "费率数"), (0, 14), 4),
    _refer("parent", "meter", "Parent meter", "上级表"),
    _ACTIVE,
)

_ALL = (
    Kind(
        "organisation",
        schema_archive.organisation,
        ("Organisations", "组织机构"),
        "code",
        (
            _code("code", ("Code", "编码")),
            _NAME,
            _NAME_ZH,
            _refer("parent", "organisation", "Parent", "上级机构"),
            _ACTIVE,
        ),
    ),
    Kind(
        "area",
        schema.area,
        ("Areas", "台区"),
        "code",
        (
            _code("code", ("Code", "台区编码")),
            _NAME,
            _NAME_ZH,
            _ORGANISATION,
            _plain("feeder", "Feeder", "线路"),
            _plain("transformer", "Transformer", "变压器"),
            _decimal("rated_kva", "Rated kVA", "额定容量 (kVA)", ""),
            _ACTIVE,
        ),
    ),
    Kind(
        "terminal",
        schema.terminal,
        ("Terminals", "终端"),
        "terminal",
        (
            Field(
                "terminal",
                _terminal,
                ("Terminal", "终端地址"),
                ("region and number such as 4101-02082", "行政区划码-地址，如 4101-02082"),
            ),
            _refer("area", "area", "Area", "台区", required=True),
            _plain("name", "Name", "名称", 200),
            _plain("maker", "Maker", "厂家"),
            _plain("serial", "Serial number", "资产编号", 64),
            _ACTIVE,
        ),
    ),
    Kind("meter", schema.meter, ("Meters", "电表"), "address", _METER),
    Kind(
        "customer",
        schema_archive.customer,
        ("Customers", "用户"),
        "number",
        (
            _code("number", ("Customer number", "户号"), 32),
            _NAME,
            _ORGANISATION,
            _plain("phone", "Telephone", "电话", 40),
            _plain("postal_address", "Address", "用电地址", 300),
            _plain("note", "Note", "备注", 300),
            _ACTIVE,
        ),
    ),
    Kind(
        "account",
        schema_archive.account,
        ("Accounts", "账户"),
        "number",
        (
            _code("number", ("Account number", "账号"), 32),
            _refer("customer", "customer", "Customer", "用户", required=True),
            _refer("meter", "meter", "Meter", "电表", required=True),
            Field("from_day", read_day, ("First day", "起始日"), ("2026-03-01", "2026-03-01")),
            Field(
                "to_day",
                read_day,
                ("Day after the last", "终止日（不含）"),
                ("2026-04-01, or empty", "2026-04-01，或留空"),
                default=None,
            ),
        ),
    ),
    Kind(
        "group",
        schema_archive.meter_group,
        ("Groups", "分组"),
        "code",
        (
            _code("code", ("Code", "编码")),
            _NAME,
            _NAME_ZH,
            _choice("kind", ("Kind", "类型"), ("area", "terminal", "free"), "free"),
            _ORGANISATION,
            _refer("area", "area", "Area", "台区"),
            _refer("terminal", "terminal", "Terminal", "终端"),
            _ACTIVE,
        ),
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({each.name: each for each in _ALL})
"""Every kind, in the order in which rows need each other."""
