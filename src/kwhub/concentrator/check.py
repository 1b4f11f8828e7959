"""Looks at everything a concentrator needs before it is started; changes nothing and calls nobody.

Each finding says in one line what was looked at and what is wrong, in English and Chinese.
"""

import asyncio
import os
import socket
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kwhub.concentrator.check_below import Finding, Level, look_at_bluetooth, look_at_tasks
from kwhub.concentrator.config import Config
from kwhub.concentrator.database import open_file
from kwhub.concentrator.migrations import MIGRATIONS
from kwhub.concentrator.served_rights import load_rights
from kwhub.concentrator.watch import DISK_FREE_MIN_BYTES, free_bytes
from kwhub.domain.errors import ConfigError, DecodeError
from kwhub.links.address import LinkAddress, parse
from kwhub.links.tls_context import LOUD, client_context
from kwhub.links.tls_dates import validities

__all__ = ["CERTIFICATE_WARN", "Finding", "Level", "check"]

CERTIFICATE_WARN = timedelta(days=30)
"""A certificate that ends so soon is worth a word."""

OLDEST_NOW = datetime(2025, 1, 1, tzinfo=UTC)
NEWEST_NOW = datetime(2080, 1, 1, tzinfo=UTC)
"""A machine whose clock says anything else has lost the time."""

CLOCK_BEHIND_S = 3_600
RESOLVE_S = 5.0
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


async def check(config: Config, now: datetime) -> list[Finding]:
    """Look at everything; the settings themselves have been found right. ``now`` is aware."""
    findings = [
        *_guarded("clock", _clock(config, now)),
        *_guarded("store", _store(config)),
        *_guarded("head_end", _secrets(config)),
    ]
    for key, text in _addresses(config):
        findings += await _link(key, parse(text).innermost, now)
    findings += _guarded("bluetooth", look_at_bluetooth(config.bluetooth, _device))
    findings += look_at_tasks(config.concentrator.store)
    findings += _metrics(config)
    if not any(line.meter for line in config.downlinks.values()):
        findings.append(
            Finding(
                "warn",
                "bus.meter",
                "no meter is named; the head-end must name them (04-F10)",
                "未配置电表,须由主站下发档案(04-F10)",
            )
        )
    return findings


def _guarded(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """What is found until the system does not let us look: a name that is too long, a folder that is closed."""
    try:
        yield from findings
    except OSError as error:
        yield Finding("error", what, str(error), f"无法检查:{error}")


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    yield "uplink.address", config.uplink.address
    if config.standby is not None:
        yield "standby.address", config.standby.address
    for name in ("bus", "mbus", "module"):
        for number, line in enumerate(getattr(config, name, ())):
            yield f"{name}[{number}].address", line.address


# --- the clock


def _clock(config: Config, now: datetime) -> Iterator[Finding]:
    wall = now.astimezone(config.concentrator.tzinfo)
    if not OLDEST_NOW < now < NEWEST_NOW:
        yield Finding(
            "error",
            "clock",
            f"it shows {wall:%Y-%m-%d %H:%M}: set it first",
            f"系统时间为 {wall:%Y-%m-%d %H:%M},请先校时",
        )
    else:
        yield Finding(
            "ok",
            "clock",
            f"{wall:%Y-%m-%d %H:%M} {config.concentrator.zone}",
            f"{wall:%Y-%m-%d %H:%M} {config.concentrator.zone}",
        )
    newest = _newest(config.concentrator.store)
    if newest is not None and newest - now.timestamp() > CLOCK_BEHIND_S:
        then = datetime.fromtimestamp(newest, config.concentrator.tzinfo)
        yield Finding(
            "warn",
            "clock",
            f"it is behind the newest reading of {then:%Y-%m-%d %H:%M}",
            f"系统时间早于最新读数 {then:%Y-%m-%d %H:%M}",
        )


def _newest(path: str) -> int | None:
    if not Path(path).exists():
        return None
    try:
        with sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True) as connection:
            row = connection.execute("SELECT max(received_at) FROM reading").fetchone()
        connection.close()
    except sqlite3.Error:
        return None
    return int(row[0]) if row[0] is not None else None


# --- the store


def _store(config: Config) -> Iterator[Finding]:
    path = Path(config.concentrator.store).absolute()
    folder = path.parent
    if not folder.is_dir():
        yield Finding(
            "error", "store", f"the folder {folder} does not exist", f"目录 {folder} 不存在"
        )
        return
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        yield Finding(
            "error",
            "store",
            f"{path} must be writable, and its folder, too",
            f"{path} 及其目录须可写",
        )
    elif path.exists():
        yield _state_of(path)
    else:
        yield Finding("ok", "store", f"{path} will be created", f"将新建 {path}")
    free = free_bytes(str(folder))
    wanted = config.store.limit_mib << 20
    words = f"{free >> 20} MiB free on the disk, the store may take {config.store.limit_mib}"
    chinese = f"磁盘剩余 {free >> 20} MiB,数据库上限 {config.store.limit_mib} MiB"
    level: Level = "error" if free < DISK_FREE_MIN_BYTES else "ok" if free > wanted else "warn"
    yield Finding(level, "disk", words, chinese)


def _state_of(path: Path) -> Finding:
    """Read the store as it is; a program that has it open is not disturbed."""
    try:
        connection = open_file(f"{path}")
        try:
            connection.execute("PRAGMA query_only = 1")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (trouble,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("error", "store", f"{path}: {error}", f"{path} 无法读取:{error}")
    if version > len(MIGRATIONS):
        return Finding(
            "error",
            "store",
            f"{path} is of a newer program (version {version})",
            f"{path} 由更新版本的程序创建(版本 {version})",
        )
    if trouble != "ok":
        return Finding(
            "error", "store", f"{path} is damaged: {trouble}", f"{path} 已损坏: {trouble}"
        )
    return Finding("ok", "store", f"{path}, version {version}", f"{path},版本 {version}")


# --- secrets


def _secrets(config: Config) -> Iterator[Finding]:
    rights = config.head_end
    try:
        load_rights(rights)
    except ConfigError as error:
        yield Finding("error", "head_end", error.what, f"密码文件有误:{error.what}")
    for key in ("password_file", "relay_password_file", "clock_password_file"):
        if path := getattr(rights, key):
            yield from _private(f"head_end.{key}", path)


def _private(key: str, path: str) -> Iterator[Finding]:
    if Path(path).exists() and Path(path).stat().st_mode & _OTHERS_READ:
        yield Finding(
            "warn", key, f"others may read {path}: chmod 600", f"其他用户可读 {path},请 chmod 600"
        )


# --- links


async def _link(key: str, address: LinkAddress, now: datetime) -> list[Finding]:
    if address.scheme == "serial":
        return list(_guarded(key, (_device(key, path) for path in [address.target])))
    if address.scheme not in {"tcp", "tls"}:
        return [Finding("ok", key, address.text, address.text)]
    try:
        host, _ = address.host_port()
        findings = list(_tls(key, address, now)) if address.scheme == "tls" else []
    except ConfigError as error:
        return [Finding("error", key, error.what, f"地址有误:{error.what}")]
    name = address.options.get("interface", "")
    if name and name not in {each for _, each in socket.if_nameindex()}:
        findings.append(
            Finding("warn", key, f"there is no interface {name} now", f"当前没有网络接口 {name}")
        )
    return [*findings, await _host(key, host, address.text)]


def _device(key: str, path: str) -> Finding:
    device = Path(path)
    if not device.exists():
        return Finding("error", key, f"{path} does not exist", f"{path} 不存在")
    if not stat.S_ISCHR(device.stat().st_mode):
        return Finding("error", key, f"{path} is not a serial port", f"{path} 不是串口")
    if not os.access(path, os.R_OK | os.W_OK):
        return Finding(
            "error",
            key,
            f"{path} may not be used: add the user to its group",
            f"无权使用 {path}:请将用户加入其所属组",
        )
    return Finding("ok", key, path, path)


async def _host(key: str, host: str, text: str) -> Finding:
    try:
        async with asyncio.timeout(RESOLVE_S):
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return Finding("warn", key, f"{host} has no address now", f"{host} 当前无法解析")
    return Finding("ok", key, text, text)


def _tls(key: str, address: LinkAddress, now: datetime) -> Iterator[Finding]:
    client_context(address)
    if LOUD in address.options:
        yield Finding("warn", key, "the head-end's certificate is not checked", "未校验主站证书")
    for option in ("ca", "cert"):
        if path := address.options.get(option):
            yield from _dates(f"{key} {option}", path, now)
    if path := address.options.get("key"):
        yield from _private(f"{key} key", path)


def _dates(key: str, path: str, now: datetime) -> Iterator[Finding]:
    try:
        found = validities(path)
    except (OSError, DecodeError) as error:
        yield Finding("error", key, f"{path}: {error}", f"{path}: {error}")
        return
    for each in found:
        day = f"{each.end:%Y-%m-%d}"
        if now >= each.end:
            yield Finding("error", key, f"{path} has expired on {day}", f"{path} 已于 {day} 过期")
        elif now < each.begin:
            begin = f"{each.begin:%Y-%m-%d}"
            yield Finding(
                "error", key, f"{path} is valid from {begin} only", f"{path} 自 {begin} 起有效"
            )
        else:
            level: Level = "warn" if each.end - now < CERTIFICATE_WARN else "ok"
            yield Finding(level, key, f"{path} is valid until {day}", f"{path} 有效期至 {day}")


# --- metrics


def _metrics(config: Config) -> Iterator[Finding]:
    if not config.metrics.address:
        return
    host, port = config.metrics.where()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            yield Finding(
                "warn",
                "metrics.address",
                f"port {port} is in use (by a running concentrator?)",
                f"端口 {port} 已被占用(集中器正在运行?)",
            )
            return
    yield Finding("ok", "metrics.address", config.metrics.address, config.metrics.address)
