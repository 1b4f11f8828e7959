"""The meter archive and the parameters that the head-end sets: kept in the store, seeded by the settings.

Source: Q/GDW 1376.1-2013, AFN 04 (F10 and the others) and AFN 0A.

The settings file and the head-end both may say which meter is at which point. What changed last counts: an
entry of the file that is new or differs from what the file said before replaces the entry of the archive;
one that is unchanged leaves the orders of the head-end alone.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from kwhub.concentrator.config import Config, Downlink
from kwhub.concentrator.config_downlinks import (
    MbusMeterSettings,
    MbusSettings,
    MeterSettings,
    PointSettings,
    meter_address,
    record_address,
)
from kwhub.concentrator.database import Connection, Database
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.afn_04 import BAUD_CODES, MBUS, MeterArchive

__all__ = ["PLACE_MAX", "Archive", "Parameter", "record_of"]

PLACE_MAX = 2_040
"""Highest index and measuring point of F10.  Source: clause 5.5, F10."""

_CODES = {"dlt645-1997": 1, "dlt645-2007": 30, "mbus": MBUS}
_PROTOCOLS = {1: "dlt645-1997", 30: "dlt645-2007"}
_THREE_PHASE = frozenset({1, 2})  # wiring of F25, D1-D0
_BASICS, _WIRING = 25, 10


class Parameter(NamedTuple):
    """One parameter, or one row of a list of them."""

    function: int
    point: int
    item: int  #: port, index or class in a list; else 0
    data: bytes


class Archive:
    """Every method is one transaction and may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- the archive

    def seed(self, config: Config) -> None:
        """Take over what is new in the settings file; see the module."""
        wanted: dict[int, bytes] = {}
        for downlink in config.downlinks.values():
            below: tuple[PointSettings, ...] = downlink.meter
            wanted |= {meter.point: record_of(meter, downlink).to_bytes() for meter in below}
        seeds = dict(self._database.rows("SELECT point, record FROM archive_seed"))
        if seeds == wanted:
            return
        with self._database.transaction() as connection:
            gone = [(point, seeds[point]) for point in seeds.keys() - wanted.keys()]
            connection.executemany("DELETE FROM archive WHERE point = ? AND record = ?", gone)
            for point, raw in wanted.items():
                if seeds.get(point) != raw:
                    _put(connection, MeterArchive.from_bytes(raw), seeding=True)
            connection.execute("DELETE FROM archive_seed")
            connection.executemany("INSERT INTO archive_seed VALUES (?, ?)", wanted.items())

    def records(self, places: Sequence[int] = ()) -> list[MeterArchive]:
        """All records by index, or those with one of the indexes."""
        rows = self._database.rows("SELECT place, record FROM archive ORDER BY place")
        wanted = frozenset(places)
        return [MeterArchive.from_bytes(raw) for at, raw in rows if not wanted or at in wanted]

    def change(self, records: Iterable[MeterArchive]) -> None:
        """Set or delete (point 0) records, all or none of them.

        Raises:
            LocalError: an index or point is out of range, or a point is used twice.
        """
        with self._database.transaction() as connection:
            for record in records:
                _put(connection, record)
            _check(connection)

    def clear_port(self, port: int) -> None:
        """Delete every meter of a port (05-F53)."""
        rows = [(record.index,) for record in self.records() if record.port == port]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM archive WHERE place = ?", rows)

    def meters(self, downlink: Downlink) -> list[PointSettings]:
        """The meters of a way down that are to be read, by point.

        What F10 cannot say is of the settings.
        """
        if isinstance(downlink, MbusSettings):
            return self._on_mbus(downlink)
        known = {meter.address: meter for meter in downlink.meter}
        phases = {
            row.point: 3 if row.data[_WIRING] & 3 in _THREE_PHASE else 1
            for row in self.parameters(_BASICS)
        }
        found: list[PointSettings] = []
        for record in self.records():
            protocol = _PROTOCOLS.get(record.protocol)
            if record.port != downlink.port or protocol is None:
                continue
            old = known.get(record.address) or MeterSettings(record.address, record.point)
            wiring = phases.get(record.point, old.phases)
            found.append(replace(old, point=record.point, protocol=protocol, phases=wiring))
        return sorted(found, key=lambda meter: meter.point)

    def _on_mbus(self, line: MbusSettings) -> list[PointSettings]:
        known = {record_address(meter.address, line.port): meter for meter in line.meter}
        found: list[PointSettings] = []
        for record in self.records():
            if record.port != line.port or record.protocol != MBUS:
                continue
            old = known.get(record.address)
            if old is None:
                old = MbusMeterSettings(meter_address(record.address), record.point)
            found.append(replace(old, point=record.point))
        return sorted(found, key=lambda meter: meter.point)

    # --- the other parameters

    def parameters(self, function: int, point: int | None = None) -> list[Parameter]:
        """What is set, by point and item."""
        rows = self._database.rows(
            "SELECT function, point, item, data FROM parameter WHERE function = ?"
            " ORDER BY point, item",
            (function,),
        )
        found = [Parameter(*row) for row in rows]
        return [each for each in found if point is None or each.point == point]

    def keep(self, parameters: Iterable[Parameter]) -> None:
        """Set parameters, all or none of them."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO parameter (function, point, item, data)"
                " VALUES (?, ?, ?, ?)",
                list(parameters),
            )

    # --- what AFN 05 orders

    def state(self, name: str, default: int = 0) -> int:
        """A number that survives a restart."""
        rows = self._database.rows("SELECT value FROM state WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else default

    def count_states(self, prefix: str) -> int:
        """How many numbers have a name that begins so."""
        rows = self._database.rows(
            "SELECT count(*) FROM state WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
        )
        return int(rows[0][0])

    def states(self, prefix: str) -> dict[str, int]:
        """All numbers whose name begins so."""
        rows = self._database.rows(
            "SELECT name, value FROM state WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
        )
        return dict(rows)

    def set_state(self, name: str, value: int) -> None:
        """Keep a number."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def ask_again(self, points: Sequence[int]) -> None:
        """End the pauses of silent meters and open gaps (05-F51)."""
        rows = [(point,) for point in points]
        with self._database.transaction() as connection:
            connection.executemany("UPDATE meter SET next_try = 0 WHERE point = ?", rows)
            connection.executemany(
                "UPDATE gap SET next_try = 0 WHERE point = ? AND state = 'open'", rows
            )


def record_of(meter: PointSettings, bus: Downlink) -> MeterArchive:
    """The record of a meter of the settings file; its index is its point."""
    baud = BAUD_CODES.index(bus.baud) if bus.baud in BAUD_CODES else 0
    code = _CODES[meter.protocol]
    line = baud << 5 | bus.port
    return MeterArchive(
        meter.point,
        meter.point,
        line,
        code,
        record_address(meter.address, bus.port),
        bytes(6),
        4,
        5,
        "0" * 12,
        0,
    )


def _put(connection: Connection, record: MeterArchive, *, seeding: bool = False) -> None:
    """Set one record; ``seeding``: whatever stands at its point or index gives way."""
    if not 1 <= record.index <= PLACE_MAX or not 0 <= record.point <= PLACE_MAX:
        raise LocalError(f"index {record.index}, point {record.point}: at most {PLACE_MAX}")
    connection.execute("DELETE FROM archive WHERE place = ?", (record.index,))
    if seeding:
        connection.execute("DELETE FROM archive WHERE point = ?", (record.point,))
    if record.point:
        taken = connection.execute("SELECT place FROM archive WHERE point = ?", (record.point,))
        if taken.fetchone():
            raise LocalError(f"point {record.point} has another meter already")
        row = (record.index, record.point, record.to_bytes())
        connection.execute("INSERT INTO archive VALUES (?, ?, ?)", row)


def _check(connection: Connection) -> None:
    """No address may stand at two points that are read."""
    rows = connection.execute("SELECT record FROM archive").fetchall()
    records = [MeterArchive.from_bytes(raw) for (raw,) in rows]
    addresses = [record.address for record in records if record.protocol]
    if len(set(addresses)) != len(addresses):
        raise LocalError("a meter stands at two points")
