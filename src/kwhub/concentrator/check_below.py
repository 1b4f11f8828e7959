"""What ``check`` looks at below the concentrator and in its store: Bluetooth adapters and bonds, report tasks."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.config_bluetooth import BluetoothSettings
from kwhub.concentrator.database import Database, StoreError
from kwhub.concentrator.ledger import open_to_read
from kwhub.concentrator.served_tasks import ReportTask, enabled_tasks
from kwhub.domain.errors import ConfigError
from kwhub.protocols.gdw1376.points import ALL_POINTS

__all__ = ["Finding", "Level", "look_at_bluetooth", "look_at_tasks"]

Level: TypeAlias = Literal["ok", "warn", "error"]

TERMINAL_POINT = 0
_SERIAL = "serial:"


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: Level
    what: str  #: such as ``store`` or ``uplink.address``
    english: str
    chinese: str


def look_at_bluetooth(
    adapters: Iterable[BluetoothSettings], serial: Callable[[str, str], Finding]
) -> Iterator[Finding]:
    """Adapters, and whether the file with the bonds has one for each device; nobody is called.

    Args:
        adapters: their settings.
        serial: looks at a serial port under a name.
    """
    for number, each in enumerate(adapters):
        key = f"bluetooth[{number}]"
        yield from _adapter(f"{key}.adapter", each.adapter, serial)
        if each.unsecured:
            words = "links without pairing pass data: anybody near may read and write"
            yield Finding(
                "warn", f"{key}.unsecured", words, "未配对的链路也可透传,附近任何人均可读写"
            )
        if each.keys:
            yield from _bonds(f"{key}.keys", each)


def _adapter(key: str, text: str, serial: Callable[[str, str], Finding]) -> Iterator[Finding]:
    try:
        from kwhub.bluetooth.stack import ADAPTERS, EXAMPLES, IN_PROCESS  # noqa: PLC0415 - an extra
    except ImportError:
        words = "Bluetooth is not installed: pip install 'kwhub[ble]'"
        yield Finding("error", key, words, "未安装蓝牙组件:pip install 'kwhub[ble]'")
        return
    if not text.startswith((*ADAPTERS, IN_PROCESS)):
        words = f"{text} is no adapter; such are: {EXAMPLES}"
        yield Finding("error", key, words, f"{text} 不是蓝牙适配器,例如:{EXAMPLES}")
    elif text.startswith(_SERIAL):
        yield serial(key, text.removeprefix(_SERIAL).split(",")[0])
    else:
        yield Finding("ok", key, text, text)


def _bonds(key: str, settings: BluetoothSettings) -> Iterator[Finding]:
    path = Path(settings.keys)
    if not path.exists():
        words = f"{path} does not exist: pair the devices with kwhub ble pair"
        yield Finding("error", key, words, f"{path} 不存在,请先用 kwhub ble pair 配对")
        return
    try:
        from kwhub.bluetooth.keystore import KeyFile  # noqa: PLC0415 - an extra brings it

        known = KeyFile(path)
    except ImportError:
        return  # told with the adapter
    except (ConfigError, OSError) as error:
        yield Finding("error", key, str(error), f"{path} 不能使用:{error}")
        return
    lacking = [device for device in settings.devices if not known.is_bonded(device)]
    if lacking:
        names = ", ".join(lacking)
        words = f"no bond with {names}: pair with kwhub ble pair"
        yield Finding("warn", key, words, f"未与 {names} 配对,请用 kwhub ble pair 配对")
    else:
        count = len(settings.devices)
        yield Finding("ok", key, f"{path}, {count} devices", f"{path},{count} 台设备")


def look_at_tasks(store: str) -> Iterator[Finding]:
    """The report tasks that the head-end has set, and whether there is a meter at every point that they name."""
    try:
        with closing(open_to_read(store)) as database:
            findings = list(_tasks(database))
    except (StoreError, sqlite3.Error, OSError):
        return  # told with the store
    yield from findings


def _tasks(database: Database) -> Iterator[Finding]:
    archive = Archive(database)
    known = {record.point for record in archive.records()} | {TERMINAL_POINT}
    for task in enabled_tasks(archive):
        key = f"task {task.data_class}.{task.number}"
        lacking = sorted(_points(task) - known)
        if lacking:
            names = ", ".join(map(str, lacking))
            words = f"names points without a meter: {names}; the head-end sets tasks (04-F65, F66)"
            yield Finding("warn", key, words, f"测量点 {names} 无电表;任务由主站设置(04-F65、F66)")
        else:
            count = len(_points(task)) or len(known) - 1
            yield Finding("ok", key, f"{count} points", f"{count} 个测量点")


def _points(task: ReportTask) -> set[int]:
    return {point for unit in task.units for point in unit.points if point != ALL_POINTS}
