"""What can be wrong with a change of the archive, in the words of the reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kwhub.domain.errors import LocalError

__all__ = ["PROBLEMS", "ArchiveError", "Problem"]

PROBLEMS: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "missing": (
            "a value is missing",
            "fill the cell",
            "缺少值",
            "请填写此单元格",
        ),
        "wrong": (
            "{value} is not possible here",
            "see the help of the column in the template",
            "此处不能填写 {value}",
            "请参阅模板中此列的说明",
        ),
        "unknown_column": (
            "there is no column {value}",
            "take the header row of the template",
            "没有名为 {value} 的列",
            "请使用模板的表头",
        ),
        "unknown_sheet": (
            "there is no kind of rows named {value}",
            "name the sheets as in the template",
            "没有名为 {value} 的工作表类型",
            "请按模板命名工作表",
        ),
        "no_key_column": (
            "the column {value} is missing",
            "take the header row of the template",
            "缺少列 {value}",
            "请使用模板的表头",
        ),
        "twice": (
            "{value} is there twice",
            "keep one of the rows",
            "{value} 重复出现",
            "请只保留其中一行",
        ),
        "used": (
            "{value} exists already",
            "choose another one, or change the row that has it",
            "{value} 已存在",
            "请换一个，或修改已有的那一行",
        ),
        "unknown": (
            "{value} does not exist",
            "make it first, or correct the text",
            "{value} 不存在",
            "请先建立它，或更正文字",
        ),
        "retired": (
            "{value} is retired",
            "bring it back first (active = yes)",
            "{value} 已停用",
            "请先恢复（active = yes）",
        ),
        "place_taken": (
            "the place is taken by {value}",
            "choose another measuring point number, or move the other meter first",
            "该位置已被 {value} 占用",
            "请更换测量点号，或先移走另一只表",
        ),
        "loop": (
            "{value} would be above itself",
            "choose another parent",
            "{value} 将成为自己的上级",
            "请选择其他上级",
        ),
        "in_use": (
            "still in use: {value}",
            "move or retire these first",
            "仍在使用：{value}",
            "请先移走或停用它们",
        ),
        "overlap": (
            "another account has this meter at that time: {value}",
            "end the other account first",
            "该时段此表已属于另一账户：{value}",
            "请先终止另一账户",
        ),
        "ends_before": (
            "{value} is not after the beginning",
            "choose a later day",
            "{value} 不晚于开始日期",
            "请选择更晚的日期",
        ),
        "group_needs": (
            "a group of this kind needs {value}",
            "fill the column, or choose another kind",
            "此类分组需要 {value}",
            "请填写此列，或选择其他类型",
        ),
        "too_many_rows": (
            "more than {value} rows",
            "split the file",
            "超过 {value} 行",
            "请拆分文件",
        ),
        "too_many_sheets": (
            "more than {value} sheets",
            "keep one sheet for each kind of rows",
            "超过 {value} 个工作表",
            "每种数据只保留一个工作表",
        ),
        "too_large": (
            "larger than {value}",
            "split the file",
            "大于 {value}",
            "请拆分文件",
        ),
        "not_a_table": (
            "this is no table: {value}",
            "save it as CSV (UTF-8 or GBK) or XLSX, without macros",
            "无法作为表格读取：{value}",
            "请另存为 CSV（UTF-8 或 GBK）或不含宏的 XLSX",
        ),
        "empty": (
            "there are no rows",
            "put rows below the header row",
            "没有数据行",
            "请在表头下填写数据行",
        ),
        "before_last": (
            "something was dated already at {value}",
            "choose a later moment",
            "已有生效时间为 {value} 的记录",
            "请选择更晚的时间",
        ),
        "in_future": (
            "{value} lies in the future",
            "choose a moment that has come",
            "{value} 在将来",
            "请选择已到的时间",
        ),
        "not_free": (
            "only a free group has a list of members",
            "change the group's kind to free",
            "只有自由分组才有成员列表",
            "请将分组类型改为 free",
        ),
        "too_many_errors": (
            "there are more errors, {value} in all",
            "correct these first",
            "还有更多错误，共 {value} 个",
            "请先更正以上错误",
        ),
        "changed_since": (
            "{value} was changed after the import",
            "take that back by hand first",
            "{value} 在导入后又被修改",
            "请先手工撤回该修改",
        ),
        "has_data": (
            "data depends on it: {value}",
            "retire the rows instead",
            "已有数据依赖它：{value}",
            "请改为停用这些行",
        ),
        "outside": (
            "{value} is outside of what you may change",
            "ask somebody whose right reaches there",
            "{value} 超出您的权限范围",
            "请联系有相应权限的人员",
        ),
        "state": (
            "not possible in the state {value}",
            "look at the job again",
            "状态为 {value} 时不可行",
            "请重新查看该任务",
        ),
    }
)
"""What and advice in English, and both in Chinese, by key; ``{value}`` is what was found."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        column: of the row; empty when it is about the whole row.
        key: of ``PROBLEMS``.
        value: what was found, at most 300 characters.
        row: line of the file as a spreadsheet counts it; 0 when there is no file.
        sheet: kind of the row; empty for the file as a whole.
    """

    column: str
    key: str
    value: str = ""
    row: int = 0
    sheet: str = ""

    def what(self, language: str = "en") -> str:
        """What is wrong, in ``en`` or ``zh``."""
        return PROBLEMS[self.key][2 if language == "zh" else 0].format(value=self.value)

    def advice(self, language: str = "en") -> str:
        """What to do about it, in ``en`` or ``zh``."""
        return PROBLEMS[self.key][3 if language == "zh" else 1].format(value=self.value)

    def __str__(self) -> str:
        place = f"{self.sheet} row {self.row}, " if self.row else ""
        column = f"{self.column}: " if self.column else ""
        return f"{place}{column}{self.what()}; {self.advice()}"


class ArchiveError(LocalError):
    """A change of the archive that is not possible; nothing was changed.

    Attributes:
        problems: at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join(str(each) for each in self.problems[:5])
