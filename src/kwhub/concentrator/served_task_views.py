"""Report tasks as people see them: which are on, when each ran last, and how many of their reports wait."""

from typing import NamedTuple

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.database import Database
from kwhub.concentrator.served_tasks import enabled_tasks

__all__ = ["TaskView", "reports_waiting", "task_views"]

_UNITS = (("min", "分钟"), ("h", "小时"), ("d", "天"), ("months", "个月"))


class TaskView(NamedTuple):
    """One task that is switched on."""

    data_class: int  #: 1: present values (04-F65), 2: of the past (04-F66)
    number: int
    period_en: str
    period_zh: str
    last_run: int | None  #: the moment it was for, seconds since 1970 UTC


def task_views(database: Database) -> list[TaskView]:
    """The tasks that are switched on, by class and number. Raises StoreError."""
    runs = {row[:2]: row[2] for row in database.rows("SELECT class, task, at FROM task_run")}
    return [
        TaskView(
            task.data_class,
            task.number,
            f"{task.period} {_UNITS[task.unit][0]}",
            f"{task.period} {_UNITS[task.unit][1]}",
            runs.get((task.data_class, task.number)),
        )
        for task in enabled_tasks(Archive(database))
    ]


def reports_waiting(database: Database) -> int:
    """Reports of tasks that the head-end has not confirmed. Raises StoreError."""
    ((count,),) = database.rows("SELECT count(*) FROM task_report")
    return int(count)
