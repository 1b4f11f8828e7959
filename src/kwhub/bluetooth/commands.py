"""AT commands of the serial face: a line in, lines out; the names are those of common modules.

Source: Ebyte E104-BT5032A manual (ROLE, TRANMD, LINKNUM, CONN, DISCON, SCAN, MAC, NAME; answers +OK,
+OK=value, +ERR=number); INSPECT, PROFILE, MAXUP, MAXDOWN and STATE are our own. Configuration
over the air by a fixed password, which such modules offer, is left out on purpose.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.station import Station
from kwhub.domain.errors import KwhubError

__all__ = ["COMMAND_BYTES_MAX", "LINES", "answer_command"]

COMMAND_BYTES_MAX = 120
"""Longest line; a longer one is data."""

UNKNOWN, WRONG_VALUE, NOT_NOW = 1, 2, 3
SCAN_S_MAX = 30.0

ROLES = {"0": "slave", "1": "master", "2": "both", "3": "beacon"}
TRANSMISSIONS = {"0": "addressed", "1": "transparent"}

SETTINGS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ROLE": ("role", ROLES),
        "TRANMD": ("transmission", TRANSMISSIONS),
        "INSPECT": ("inspection", {}),
        "PROFILE": ("profile", {}),
        "NAME": ("name", {}),
        "MAXUP": ("masters_max", {}),
        "MAXDOWN": ("slaves_max", {}),
    }
)
"""Command, key of the node's settings, and numbers that stand for words."""

LINES: Mapping[str, str] = MappingProxyType(
    {
        "AT": "is anybody there",
        "AT+ROLE": "slave, master, both or beacon (0 to 3)",
        "AT+TRANMD": "transparent (1) or addressed (0) transmission",
        "AT+INSPECT": "off, report or refuse",
        "AT+PROFILE": "nus, ffe0 or fff0",
        "AT+NAME": "name in advertisements",
        "AT+MAXUP": "most masters above",
        "AT+MAXDOWN": "most slaves below",
        "AT+CONN": "keep a link with the slave of this address",
        "AT+DISCON": "keep none any more",
        "AT+LINKNUM?": "who is connected: masters as UP, slaves as DOWN with their number",
        "AT+STATE?": "slaves with state, signal and unanswered requests",
        "AT+SCAN": "who is heard in so many seconds",
        "AT+MAC?": "own address",
    }
)
"""Every command and what it is for."""


class _Wrong(Exception):
    """Carries the number of the error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def answer_command(line: str, node: Node, station: Station) -> list[str]:
    """Carry out one line.

    Args:
        line: without its end.
        node: whose settings are shown or changed.
        station: its Bluetooth.

    Returns:
        The lines of the answer, the last of them +OK, +OK=value or +ERR=number (1: unknown,
        2: wrong value, 3: not possible now).
    """
    if len(line) > COMMAND_BYTES_MAX:
        return [f"+ERR={WRONG_VALUE}"]
    try:
        return await _answer(line.strip(), node, station)
    except _Wrong as error:
        return [f"+ERR={error.number}"]
    except (KwhubError, OSError):
        return [f"+ERR={NOT_NOW}"]


async def _answer(line: str, node: Node, station: Station) -> list[str]:
    if line.upper() == "AT":
        return ["+OK"]
    if not line.upper().startswith("AT+"):
        raise _Wrong(UNKNOWN)
    rest = line[3:]
    if rest.endswith("?"):
        return _show(rest[:-1].upper(), node, station)
    name, equals, value = rest.partition("=")
    action = _ACTIONS.get(name.upper())
    if action is not None and equals:
        return await action(value, node, station)
    if name.upper() not in SETTINGS or not equals:
        raise _Wrong(UNKNOWN)
    key, numbers = SETTINGS[name.upper()]
    await node.apply(_changed(node.settings, key, numbers.get(value, value)))
    return ["+OK"]


def _show(name: str, node: Node, station: Station) -> list[str]:
    if name in SETTINGS:
        value = msgspec.to_builtins(node.settings)[SETTINGS[name][0]]
        return [f"+OK={value}"]
    if name == "MAC":
        return [f"+OK={station.address}"]
    if name == "LINKNUM":
        ups = [f"UP,{master}" for master in node.masters]
        downs = [f"DOWN,{node.numbers[port.name]},{port.name}" for port in node.ports]
        return [*ups, *downs, f"+OK={len(ups) + len(downs)}"]
    if name == "STATE":
        rows = [
            f"{view.address},{view.state.value},{view.signal_dbm},{view.unanswered}"
            for view in node.registry
        ]
        return [*rows, f"+OK={len(rows)}"]
    raise _Wrong(UNKNOWN)


def _changed(settings: NodeSettings, key: str, value: Any) -> NodeSettings:
    """Settings with one value changed, checked as a file would be."""
    plain = msgspec.to_builtins(settings)
    if isinstance(plain[key], int):
        value = int(value) if value.isascii() and value.isdigit() else value
    elif isinstance(plain[key], str) and key != "name":
        value = value.lower()
    try:
        return msgspec.convert({**plain, key: value}, NodeSettings)
    except msgspec.ValidationError as error:
        raise _Wrong(WRONG_VALUE) from error


async def _connect(value: str, node: Node, _station: Station) -> list[str]:
    slaves = msgspec.to_builtins(node.settings.slaves)
    added = [*slaves, {"address": value.upper()}]
    await node.apply(_changed(node.settings, "slaves", added))
    return ["+OK"]


async def _disconnect(value: str, node: Node, _station: Station) -> list[str]:
    slaves = msgspec.to_builtins(node.settings.slaves)
    left = [slave for slave in slaves if slave["address"] != value.upper()]
    if len(left) == len(slaves):
        raise _Wrong(WRONG_VALUE)
    await node.apply(_changed(node.settings, "slaves", left))
    return ["+OK"]


async def _scan(value: str, _node: Node, station: Station) -> list[str]:
    if not (value.isascii() and value.isdigit()) or not 0 < int(value) <= SCAN_S_MAX:
        raise _Wrong(WRONG_VALUE)
    seen = await station.scan(float(value))
    return [*(f"{each.address},{each.rssi_dbm},{each.name}" for each in seen), f"+OK={len(seen)}"]


_ACTIONS: Mapping[str, Callable[[str, Node, Station], Awaitable[list[str]]]] = MappingProxyType(
    {"CONN": _connect, "DISCON": _disconnect, "SCAN": _scan}
)
