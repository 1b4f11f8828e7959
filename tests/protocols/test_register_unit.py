"""0D-F240: values by OBIS code survive the wire exactly, and what is wrong is told."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.typed import Unread, read_unit
from kwhub.protocols.gdw1376.units import Unit, split_units

START = datetime(2026, 3, 2, 1, 0)
VALUES = (Decimal("756.560"), None, Decimal("-1.5"))
UNIT = RegisterUnit(501, "8-0:1.0.0", START, 3_600, VALUES)
HEX = "0800010000 03 0001020326 3C00 03 508B0B0000000000 EEEEEEEEEEEEEEEE 24FAFFFFFFFFFFFF"


def test_a_known_unit():
    unit = UNIT.to_unit()
    assert unit.data == bytes.fromhex(HEX)
    assert read_unit(0x0D, unit, up=True) == (UNIT,)
    assert UNIT.times()[1] == datetime(2026, 3, 2, 2, 0)


@given(
    st.lists(
        st.none() | st.decimals(-(10**9), 10**9, places=6, allow_nan=False),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from((60, 3_600, 86_400)),
)
def test_every_value_survives(values, interval_s):
    unit = RegisterUnit(7, "6-0:1.0.0", START, interval_s, tuple(values))
    (back,) = read_unit(0x0D, unit.to_unit(), up=True)
    assert isinstance(back, RegisterUnit)
    assert (back.values, back.interval_s) == (unit.values, interval_s)


def test_it_stands_beside_other_units():
    body = UNIT.to_unit().to_bytes() * 2
    units, whole = split_units(body, layout_of(0x0D, up=True))
    assert whole
    assert len(units) == 2


@pytest.mark.parametrize(
    ("register", "interval_s", "values"),
    [
        ("8-0:1.0", 3_600, VALUES),
        ("water", 3_600, VALUES),
        ("8-0:1.0.300", 3_600, VALUES),
        ("8-0:1.0.0", 30, VALUES),
        ("8-0:1.0.0", 3_600, ()),
        ("8-0:1.0.0", 3_600, (Decimal("1e-13"),)),
        ("8-0:1.0.0", 3_600, (Decimal(10**19),)),
        ("8-0:1.0.0", 3_600, (Decimal("NaN"),)),
    ],
)
def test_what_does_not_fit_is_refused(register, interval_s, values):
    with pytest.raises(LocalError):
        RegisterUnit(501, register, START, interval_s, values).to_unit()


@pytest.mark.parametrize(
    ("at", "new", "kind"),
    [(5, b"\x0d", "decimals"), (6, b"\xee" * 5, "not_a_time")],
)
def test_what_makes_no_sense_is_told(at, new, kind):
    data = bytearray(bytes.fromhex(HEX))
    data[at : at + len(new)] = new
    with pytest.raises(DecodeError) as caught:
        RegisterUnit.from_data(501, bytes(data))
    assert caught.value.kind == kind
    (typed,) = read_unit(0x0D, Unit((501,), (240,), bytes(data)), up=True)
    assert isinstance(typed, Unread)
    assert typed.why == kind
