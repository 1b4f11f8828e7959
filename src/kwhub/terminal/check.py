"""What is wrong with a terminal before it is started; nothing is counted and nothing is opened to others."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple, TypeAlias

from kwhub.domain.errors import KwhubError
from kwhub.links.address import parse
from kwhub.runtime.clock import Clock
from kwhub.terminal.app import open_inputs
from kwhub.terminal.config import Config, is_open_to_all, passwords
from kwhub.terminal.countlog import CountLog, Counts, FileMedium
from kwhub.terminal.guard import WRITING_LEVEL

__all__ = ["Finding", "Level", "check", "commit_ms"]

Level: TypeAlias = Literal["ok", "warn", "error"]

_FREE_BYTES: Final = 64 * 1024 * 1024
_TRIALS: Final = 8


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: Level
    what: str
    english: str
    chinese: str


def check(config: Config, clock: Clock) -> list[Finding]:
    """Look at everything that the terminal will need."""
    return [
        *_check_passwords(config),
        _check_inputs(config, clock),
        *_check_store(config, clock),
        *_check_links(config),
    ]


def commit_ms(folder: Path, clock: Clock) -> float:
    """The longest of a few commits on the medium of a folder, milliseconds. Raises OSError."""
    with TemporaryDirectory(dir=folder, prefix="commit-") as scratch:
        medium = FileMedium(Path(scratch))
        try:
            log, worst_s = CountLog(medium), 0.0
            for number in range(1, _TRIALS + 1):
                began_s = clock.monotonic()
                log.commit(Counts(levels=number))
                worst_s = max(worst_s, clock.monotonic() - began_s)
        finally:
            medium.close()
    return worst_s * 1_000


def _check_passwords(config: Config) -> list[Finding]:
    try:
        levels = sorted(passwords(config))
    except KwhubError as error:
        return [Finding("error", "passwords", str(error), str(error))]
    if not any(level <= WRITING_LEVEL for level in levels):
        return [
            Finding(
                "warn",
                "passwords",
                "no password of level 4 or stronger: nothing can be written over the protocol",
                "没有4级或更高权限的密码: 不能通过规约写参数",
            )
        ]
    text = ", ".join(map(str, levels))
    return [Finding("ok", "passwords", f"levels {text}", f"权限级别 {text}")]


def _check_inputs(config: Config, clock: Clock) -> Finding:
    try:
        inputs = open_inputs(config, clock)
    except KwhubError as error:
        return Finding("error", "inputs", str(error), getattr(error, "chinese", str(error)))
    inputs.close()
    kind = type(config.inputs).__name__.removesuffix("Settings").lower()
    return Finding("ok", "inputs", kind, kind)


def _check_store(config: Config, clock: Clock) -> list[Finding]:
    folder = Path(config.terminal.folder)
    # A store that is not there yet will lie on the medium of the folder above it; a check makes nothing.
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        took_ms = commit_ms(there, clock)
        free = shutil.disk_usage(there).free
    except OSError as error:
        text = f"{folder}: {error.strerror or error}"
        return [Finding("error", "store", text, text)]
    hold = Finding(
        "ok",
        "store",
        f"a commit takes up to {took_ms:.1f} ms: so long must the supply hold after its warning",
        f"一次提交最长 {took_ms:.1f} ms: 掉电告警后电源至少保持这么久",
    )
    if free >= _FREE_BYTES:
        return [hold]
    megabytes = free // 1_000_000
    short = f"only {megabytes} MB free in {folder}", f"{folder} 仅剩 {megabytes} MB"
    return [hold, Finding("warn", "disk", *short)]


def _check_links(config: Config) -> list[Finding]:
    findings = []
    for settings in config.link:
        address = parse(settings.address)
        open_to_all = address.scheme == "tcp-listen" and is_open_to_all(settings)
        findings.append(
            Finding(
                "warn",
                "link",
                f"{address}: anybody on the network can read; take tls-listen: or loopback",
                f"{address}: 网络上任何人都能读取; 请用 tls-listen: 或本机地址",
            )
            if open_to_all
            else Finding("ok", "link", str(address), str(address))
        )
    return findings
