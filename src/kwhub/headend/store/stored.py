"""Day vectors by their whole keys: many at once, and no others."""

from collections import defaultdict
from typing import TypeAlias

import msgspec
from sqlalchemy import Connection, text

from kwhub.headend.store.columns import Ints
from kwhub.headend.store.database import BINARY
from kwhub.headend.store.many import array_text
from kwhub.headend.store.vectors import Packed

__all__ = ["Stored", "stored_days"]

Stored: TypeAlias = dict[int, tuple[list[int], list[Packed]]]
"""By version: the places of the keys in the question, rising, and the vectors."""

_KEYS = ("meter_id", "interval_s", "register", "day")

_SQLITE = """
    SELECT wanted.key AS place, version, scale, moments, present, vector
    FROM json_each(:wanted) AS wanted CROSS JOIN day_vector
    ON meter_id = json_extract(wanted.value, '$[0]') AND interval_s = json_extract(wanted.value, '$[1]')
    AND register = json_extract(wanted.value, '$[2]') AND day = json_extract(wanted.value, '$[3]')
"""
_POSTGRESQL = (
    "SELECT wanted.place - 1 AS place, version, scale, moments, present, vector"
    " FROM unnest(CAST(:meter_id AS integer[]), CAST(:interval_s AS integer[]),"
    " CAST(:register AS text[]), CAST(:day AS integer[]))"
    " WITH ORDINALITY AS wanted (meter_id, interval_s, register, day, place)"
    " JOIN day_vector USING (meter_id, interval_s, register, day)"
)


def stored_days(
    connection: Connection, meter: Ints, interval: Ints, register: list[str], day: Ints
) -> Stored:
    """Every version of some day vectors.

    Args:
        connection: of any transaction.
        meter: of each vector, the number of its meter.
        interval: its spacing in seconds.
        register: its register code.
        day: number of its day.
    """
    keys = (meter.tolist(), interval.tolist(), register, day.tolist())
    if connection.dialect.name == "postgresql":
        arrays = {name: array_text(each) for name, each in zip(_KEYS, keys, strict=True)}
        rows = connection.execute(text(_POSTGRESQL), arrays, execution_options=dict(BINARY))
    else:
        wanted = msgspec.json.encode(list(zip(*keys, strict=True))).decode()
        rows = connection.execute(text(_SQLITE), {"wanted": wanted})
    found: dict[int, list[tuple[int, Packed]]] = defaultdict(list)
    for place, version, *packed in rows:
        found[version].append((place, Packed(*packed)))
    return {version: _split(each) for version, each in found.items()}


def _split(found: list[tuple[int, Packed]]) -> tuple[list[int], list[Packed]]:
    found.sort(key=lambda each: each[0])
    return [place for place, _ in found], [packed for _, packed in found]
