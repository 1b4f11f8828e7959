"""Water and heat travel from the concentrator's outbox to the head-end's queries under their registers."""

import datetime as dt
from decimal import Decimal

from tests.headend.world import DAYS, NOON, open_store, shanghai

from kwhub.concentrator.outbox import Entry
from kwhub.concentrator.report import pack
from kwhub.domain.readings import Register
from kwhub.headend.ingest.decode import decode
from kwhub.headend.store.queries import Queries
from kwhub.protocols.gdw1376.register_curves import RegisterUnit

WATER = Register("8-0:1.0.0")


def entry(number, register, interval_s, at, value):
    return Entry(number, 2, Register(register), interval_s, at, value, 3, at + 60)


def test_water_and_heat_stand_under_their_registers(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    terminal = store.archive.terminals["4101", 2082]
    entries = [entry(hour, WATER, 3_600, shanghai(3, hour), 756_560 + hour) for hour in range(24)]
    entries.append(entry(99, "6-0:1.0.0", 86_400, shanghai(3), 12_345))
    packed = pack(entries, DAYS.zone)
    assert not packed.unsayable
    units = [unit for parcel in packed.parcels for unit in parcel.units]
    store.append([decode(terminal, 0x0D, units, DAYS, NOON)])
    queries = Queries(store.database, DAYS, lambda: NOON)
    meter = terminal.points[2].id
    first = dt.datetime.fromtimestamp(shanghai(3), dt.UTC)
    curve = queries.curve(meter, WATER, first, first + dt.timedelta(hours=24), 3_600)
    assert [Decimal(str(value)) for value in curve.values] == [
        Decimal(756_560 + hour).scaleb(-3) for hour in range(24)
    ]
    heat = queries.curve(meter, Register("6-0:1.0.0"), first, first + dt.timedelta(days=1), 86_400)
    assert [str(value) for value in heat.values] == ["12.345"]
    store.close()


def test_what_has_no_place_is_kept_with_the_reason(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    terminal = store.archive.terminals["4101", 2082]
    start = dt.datetime(2026, 3, 3)

    def reason(point, register, interval_s):
        unit = RegisterUnit(point, register, start, interval_s, (Decimal(1),)).to_unit()
        (stray,) = decode(terminal, 0x0D, (unit,), DAYS, NOON).strays
        return stray.reason

    assert reason(2, "8-0:99.99.0", 3_600) == "unknown_register"
    assert reason(2, WATER, 420) == "unknown_density"
    assert reason(77, WATER, 3_600) == "unknown_point"
    store.close()
