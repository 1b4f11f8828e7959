"""AFN 04 and 0A: parameters are kept before they are confirmed, and told as they were set.

Source: Q/GDW 1376.1-2013, clauses 5.5 and 5.10.
"""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from kwhub.concentrator.archive import Archive, Parameter
from kwhub.concentrator.config import UplinkSettings
from kwhub.concentrator.events_importance import DEFAULT_IMPORTANCE
from kwhub.concentrator.served_tasks import check_setting
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import afn_04
from kwhub.protocols.gdw1376.afn_04 import MeterArchive, archive_unit, read_archive
from kwhub.protocols.gdw1376.layouts import cells
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import Item, Unit

__all__ = ["Parameters", "ReadingRule", "reading_rule", "stations"]

UPLINK, STATION, EVENTS, READING, MODULE_PORT = 1, 3, 9, 33, 34
_CLASSES = frozenset({38, 39})

RECORDS_PER_UNIT = 32
"""Records of F10 in one unit: below the 1024 bytes at which receivers stop."""

_READING_HEAD = 13
_READING_HEAD_BYTES = _READING_HEAD + 1  # with the number of slots
_MODULE_BYTES = 6
_NO_READING = 1  # F33 control word, D0
_TIMEOUT_BITS, _ATTEMPTS = 0x0FFF, 3


class Parameters:
    """Sets and tells."""

    def __init__(self, archive: Archive, uplink: UplinkSettings) -> None:
        self._archive = archive
        self._uplink = uplink

    def set(self, item: Item) -> None:
        """Keep one item.

        Raises:
            DecodeError: its data makes no sense.
            LocalError: it is not known, or contradicts the archive.
            StoreError: it cannot be kept.
        """
        layout = layout_of(afn_04.AFN, up=False)(item.function)
        if layout is None or not item.known:
            raise LocalError(f"04-F{item.function} is not known")
        for cell in cells(layout, item.data):
            if cell.problem:
                raise DecodeError("not_readable", cell.problem, field=cell.name)
        check_setting(item.function, item.point, item.data)
        if item.function == afn_04.ARCHIVE:
            self._archive.change(read_archive(Unit((0,), (item.function,), item.data)))
            return
        self._archive.keep(list(_rows(item)))

    def tell(self, item: Item) -> list[Unit]:
        """What is set; empty when nothing is. Raises DecodeError."""
        if item.function == afn_04.ARCHIVE:
            return _archive_units(self._archive.records(_words(item.data)))
        if item.function in {READING, MODULE_PORT}:
            return self._ports(item)
        rows = self._archive.parameters(item.function, item.point)
        if item.function in _CLASSES and item.data:
            rows = [row for row in rows if row.item == item.data[0]]
        data = rows[0].data if rows else self._default(item)
        return [Unit((item.point,), (item.function,), data)] if data else []

    def _ports(self, item: Item) -> list[Unit]:
        wanted = item.data[1:]
        rows = [
            row.data
            for row in self._archive.parameters(item.function)
            if not wanted or row.item in wanted
        ]
        data = bytes([len(rows)]) + b"".join(rows)
        return [Unit((0,), (item.function,), data)] if rows else []

    def _default(self, item: Item) -> bytes:
        """What holds as long as the head-end has not set it."""
        if item.point:
            return b""
        makers: dict[int, Callable[[], bytes]] = {
            UPLINK: self._uplink_default,
            STATION: self._station_default,
            EVENTS: DEFAULT_IMPORTANCE.to_bytes,
        }
        make = makers.get(item.function)
        return make() if make else b""

    def _uplink_default(self) -> bytes:
        timeout = min(max(1, round(self._uplink.answer_timeout_s)), _TIMEOUT_BITS)
        word = (timeout | _ATTEMPTS << 12).to_bytes(2, "little")
        return b"\0\0" + word + b"\x04" + bytes([max(1, self._uplink.heartbeat_s // 60)])

    def _station_default(self) -> bytes:
        kind, _, rest = self._uplink.address.partition(":")
        host, _, port = rest.partition(":")
        try:
            main = IPv4Address(host).packed + int(port).to_bytes(2, "little")
        except (ValueError, OverflowError):
            return b""
        return main + bytes(6) + bytes(16) if kind == "tcp" else b""


def stations(archive: Archive, default: str) -> list[str]:
    """Link addresses of the head-end by priority: F3 main, F3 backup, that of the settings.

    F3 names a host and a port; all else (TLS, its certificates, the interface) is as in the settings.
    """
    found = []
    for row in archive.parameters(STATION, 0):
        for at in (0, 6):
            host, port = row.data[at : at + 4], int.from_bytes(row.data[at + 4 : at + 6], "little")
            if any(host) and port:
                found.append(_with_station(default, f"{IPv4Address(host)}:{port}"))
    return list(dict.fromkeys([*found, default]))


def _with_station(default: str, station: str) -> str:
    """The address of the settings with another host and port; one that is not of TCP becomes one."""
    way, question, options = default.partition("?")
    scheme, _, where = way.partition(":")
    if scheme not in {"tcp", "tls"}:
        return f"tcp:{station}"
    if scheme == "tls" and "name=" not in options:
        host = where.rpartition(":")[0].removeprefix("[").removesuffix("]")
        options = f"{options}&name={host}" if question else f"name={host}"
    return f"{scheme}:{station}?{options}" if options else f"{scheme}:{station}"


class ReadingRule(NamedTuple):
    """What F33 says of a port."""

    is_off: bool = False
    interval_minutes: int = 0  #: 0: not set
    slots: tuple[tuple[int, int], ...] = ()  #: allowed minutes of the day, from and to

    def allows(self, minute: int) -> bool:
        """Whether the port may be read in a minute of the day; a slot may go over midnight."""
        if self.is_off:
            return False
        return not self.slots or any(
            begin <= minute < end if begin <= end else minute >= begin or minute < end
            for begin, end in self.slots
        )


def reading_rule(archive: Archive, port: int) -> ReadingRule:
    """The rule of a port; without one it is read always."""
    row = next((each for each in archive.parameters(READING) if each.item == port), None)
    if row is None:
        return ReadingRule()
    word = int.from_bytes(row.data[1:3], "little")
    times = [_minutes(row.data[at : at + 2]) for at in range(_READING_HEAD_BYTES, len(row.data), 2)]
    slots = tuple(zip(times[::2], times[1::2], strict=True))
    return ReadingRule(bool(word & _NO_READING), row.data[9], slots)


def _minutes(raw: bytes) -> int:
    """A.19 as minutes of the day."""
    minute, hour = ((byte >> 4) * 10 + (byte & 0x0F) for byte in raw)
    return hour * 60 + minute


def _rows(item: Item) -> Iterator[Parameter]:
    """One row for each port or class of a list, else one."""
    if item.function == MODULE_PORT:
        for at in range(1, len(item.data), _MODULE_BYTES):
            row = item.data[at : at + _MODULE_BYTES]
            yield Parameter(item.function, item.point, row[0], row)
    elif item.function == READING:
        at = 1
        while at < len(item.data):
            stop = at + _READING_HEAD_BYTES + 4 * item.data[at + _READING_HEAD]
            yield Parameter(item.function, item.point, item.data[at], item.data[at:stop])
            at = stop
    else:
        key = item.data[0] if item.function in _CLASSES else 0
        yield Parameter(item.function, item.point, key, item.data)


def _words(data: bytes) -> tuple[int, ...]:
    """The indexes of a request for records."""
    return tuple(int.from_bytes(data[at : at + 2], "little") for at in range(2, len(data), 2))


def _archive_units(records: list[MeterArchive]) -> list[Unit]:
    groups = range(0, len(records), RECORDS_PER_UNIT)
    return [archive_unit(tuple(records[at : at + RECORDS_PER_UNIT])) for at in groups]
