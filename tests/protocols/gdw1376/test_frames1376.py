"""Frames and data units: the slips that public code keeps repeating, one test each."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from tests.protocols.gdw1376.corpus1376 import named

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import (
    afn_0a,
    afn_0b,
    afn_0c,
    afn_0d,
    afn_0e,
    afn_0f,
    afn_00,
    afn_01,
    afn_02,
    afn_04,
    afn_05,
    afn_06,
    afn_08,
    afn_09,
    afn_10,
)
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit, InstantUnit
from kwhub.protocols.gdw1376.afn_0d import (
    CurveRequest,
    CurveUnit,
    DayFreezeRequest,
    DayFreezeUnit,
    density_of,
)
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer, LineControl
from kwhub.protocols.gdw1376.builders import build_report, group_units, initiated_frame
from kwhub.protocols.gdw1376.frames import (
    Control,
    Frame1376,
    Sequence,
    TerminalAddress,
    TimeTag,
    parse,
)
from kwhub.protocols.gdw1376.layouts import Row, measure
from kwhub.protocols.gdw1376.messages import Heartbeat, Request
from kwhub.protocols.gdw1376.points import (
    ALL_POINTS,
    decode_functions,
    decode_points,
    encode_functions,
    encode_points,
)
from kwhub.protocols.gdw1376.tables import TABLES, find, layout_of
from kwhub.protocols.gdw1376.typed import ClockUnit, CurrentRequest, Unread, read_unit
from kwhub.protocols.gdw1376.units import Unit, items, split_units
from kwhub.wire.checksums import sum8

ADDRESS = TerminalAddress("4101", 2082)


MODULES = {
    module.AFN: module
    for module in (
        *(afn_00, afn_01, afn_02, afn_04, afn_05, afn_06, afn_08, afn_09),
        *(afn_0a, afn_0b, afn_0c, afn_0d, afn_0e, afn_0f, afn_10),
    )
}


def sealed(user):
    word = (len(user) << 2 | 2).to_bytes(2, "little")
    return b"\x68" + word + word + b"\x68" + user + bytes([sum8(user), 0x16])


# --- 1, 2: groups of points count from 1, groups of functions from 0


@pytest.mark.parametrize(
    ("wire", "points", "functions"),
    [
        ("00000100", (0,), (1,)),
        ("00000400", (0,), (3,)),
        ("00000201", (0,), (10,)),
        ("01010110", (1,), (129,)),
        ("01014014", (1,), (167,)),
        ("40040114", (31,), (161,)),
        ("03010114", (1, 2), (161,)),
        ("0101090B", (1,), (89, 92)),
        ("80FF0100", (2040,), (1,)),
        ("FF000100", (ALL_POINTS,), (1,)),
    ],
)
def test_points_and_functions(wire, points, functions):
    raw = bytes.fromhex(wire)
    assert decode_points(raw[:2]) == points
    assert decode_functions(raw[2:]) == functions
    assert encode_points(points) + encode_functions(functions) == raw


def test_a_point_mask_in_group_0_is_no_point_but_survives():
    user = bytes.fromhex("4B00100100020C6001000110")
    frame = parse(sealed(user))
    assert (frame.units[0].points, frame.units[0].functions) == ((), (129,))
    assert frame.user_data() == user


@pytest.mark.parametrize("points", [(1, 9), (), (0, 1), (2041,), (-1,)])
def test_points_of_two_groups_do_not_fit_one_unit(points):
    with pytest.raises(LocalError):
        encode_points(points)
    with pytest.raises(LocalError):
        encode_functions((8, 9))


# --- 3: the heartbeat's clock counts in the length


def test_a_heartbeat_with_clock_has_26_bytes():
    frame = initiated_frame(Heartbeat(datetime(2026, 3, 2, 8, 15)), ADDRESS, 3)
    raw = frame.to_bytes()
    assert len(raw) == 26
    assert raw[:6] == bytes.fromhex("684A004A0068")
    assert afn_02.read_clock(parse(raw).units[0]) == datetime(2026, 3, 2, 8, 15)


def test_a_heartbeat_without_clock_has_20_bytes():
    raw = initiated_frame(Heartbeat(), ADDRESS, 9).to_bytes()
    assert len(raw) == 20
    assert afn_02.read_clock(parse(raw).units[0]) is None


# --- 4: what stands where


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw[:4], "truncated"),
        (lambda raw: b"", "truncated"),
        (lambda raw: b"\0" + raw, "start_missing"),
        (lambda raw: raw + b"\0", "trailing_bytes"),
        (lambda raw: raw[:-1] + b"\0", "end_missing"),
        (lambda raw: raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:], "checksum_mismatch"),
        (lambda raw: raw[:5] + b"\x69" + raw[6:], "second_start_missing"),
        (lambda raw: raw[:3] + b"\x36" + raw[4:], "length_words_differ"),
        (lambda raw: raw[:4] + b"\x01" + raw[5:], "length_words_differ"),
        (lambda raw: raw[:1] + b"\x31\0\x31\0" + raw[5:], "protocol_id"),
        (lambda raw: raw[:1] + b"\x1e\0\x1e\0" + raw[5:], "length_too_small"),
        (lambda raw: raw[:1] + b"\x36\0\x36\0" + raw[5:], "length_mismatch"),
        (lambda raw: raw[:-2] + b"\0\0\0\0" + raw[-2:], "length_mismatch"),
    ],
)
def test_every_fault_has_its_name(change, kind):
    with pytest.raises(DecodeError) as caught:
        parse(change(named("001")))
    assert caught.value.kind == kind


# --- 5, 9: layouts with the right widths


def test_the_archive_record_splits_port_and_baud_3_to_5():
    (record,) = afn_04.read_archive(parse(named("071")).units[0])
    assert (record.port, record.baud, record.protocol) == (1, 4800, 30)
    assert replace(record, line=0x5F).port == 31
    assert afn_04.archive_unit((record,)) == parse(named("071")).units[0]


def test_a_broken_archive_is_refused():
    with pytest.raises(DecodeError):
        afn_04.read_archive(Unit((0,), (10,), b"\x02\x00" + bytes(27)))


def test_a_query_of_the_archive_counts_with_two_bytes():
    unit = afn_0a.archive_query((1, 2, 300))
    assert unit.data == bytes.fromhex("0300010002002C01")
    assert split_units(unit.to_bytes(), layout_of(0x0A, up=False)) == ((unit,), True)
    with pytest.raises(LocalError):
        afn_0a.archive_query((0,))


@pytest.mark.parametrize(
    ("afn", "function", "up", "size"),
    [
        (0x0C, 26, True, 61),
        (0x0C, 25, True, 67),
        (0x0C, 27, True, 60),
        (0x0C, 28, True, 33),
        (0x0C, 31, True, 59),
        (0x0C, 49, True, 12),
        (0x0C, 170, True, 18),
        (0x05, 1, False, 1),
        (0x05, 31, False, 6),
        (0x04, 1, False, 6),
        (0x04, 3, False, 28),
        (0x04, 25, False, 11),
        (0x09, 1, True, 41),
        (0x0D, 161, False, 3),
        (0x0D, 177, False, 2),
        (0x0D, 81, False, 7),
    ],
)
def test_sizes_that_the_standard_fixes(afn, function, up, size):
    layout = layout_of(afn, up=up)(function)
    assert layout is not None
    assert measure(layout, bytes(100)) == size


def test_the_local_port_has_a_baud_of_four_bytes():
    layout = layout_of(0x04, up=False)(34)
    assert layout is not None
    assert measure(layout, bytes([2]) + bytes(20)) == 1 + 2 * 6


# --- 6: the time tag


def test_the_time_tag_has_24_hours_and_the_true_day():
    tag = TimeTag.from_bytes(bytes.fromhex("020016230105"))
    sent = tag.sent
    assert sent is not None
    assert (sent.day, sent.hour, sent.minute, sent.second) == (1, 23, 16, 0)
    assert not tag.is_stale(datetime(2026, 3, 1, 23, 20))
    assert tag.is_stale(datetime(2026, 3, 1, 23, 22))
    assert not tag.is_stale(datetime(2026, 3, 1, 23, 10))


def test_a_time_tag_of_the_day_before_over_the_end_of_a_month():
    tag = TimeTag.from_bytes(bytes.fromhex("020058232805"))
    assert not tag.is_stale(datetime(2026, 3, 1, 0, 1))
    assert tag.is_stale(datetime(2026, 3, 1, 0, 10))


def test_a_time_tag_without_delay_is_never_stale():
    tag = parse(named("057")).time_tag
    assert tag is not None
    assert not tag.is_stale(datetime(2026, 3, 1))
    assert tag.sent is None


# --- 7: PW


def test_forwarding_carries_a_password():
    request = Request(0x10, (Forward(31, b"\x68\x16"),))
    frame = initiated_frame(request, ADDRESS, 0)
    assert frame.password == bytes(16)
    assert parse(frame.to_bytes()) == frame


def test_a_frame_that_only_fits_without_password_has_none():
    unit = afn_05.clock_unit(datetime(2026, 3, 1, 12))
    record = afn_04.read_archive(parse(named("071")).units[0])
    for afn, body in ((0x05, unit), (0x04, afn_04.archive_unit(record))):
        frame = Frame1376(Control.from_byte(0x4A), ADDRESS, afn, Sequence(1), (body,))
        assert parse(frame.to_bytes()) == frame


def test_the_password_is_not_printed():
    request = Request(0x05, (afn_05.clock_unit(datetime(2026, 3, 1)),), b"secretsecretsecr")
    frame = initiated_frame(request, ADDRESS, 0)
    assert "secret" not in repr(request) + repr(frame)


# --- 8: long frames


def test_the_length_word_above_255():
    raw = named("100")
    assert len(parse(raw).user_data()) == 280 == int.from_bytes(raw[1:3], "little") >> 2


def test_a_frame_of_the_greatest_length():
    room = 16_383 - 12
    frame = Frame1376(
        Control.from_byte(0x88), ADDRESS, 0x10, Sequence(0), (Unit((0,), (200,), bytes(room)),)
    )
    assert parse(frame.to_bytes()) == frame
    with pytest.raises(LocalError):
        replace(frame, units=(Unit((0,), (200,), bytes(room + 1)),)).to_bytes()


# --- 10: one way to write an address


def test_addresses_read_the_same_everywhere():
    frame = parse(named("001"))
    assert str(frame.address) == "0171-02082"
    assert frame.address == TerminalAddress("0171", 2082)
    assert TerminalAddress.from_bytes(frame.address.to_bytes()) == frame.address


@pytest.mark.parametrize(
    "address",
    [
        TerminalAddress("01", 1),
        TerminalAddress("zzzz", 1),
        TerminalAddress("0171", 65536),
        TerminalAddress("0171", 1, msa=128),
    ],
)
def test_addresses_that_do_not_fit(address):
    with pytest.raises(LocalError):
        address.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"afn": 256},
        {"sequence": Sequence(16, confirm=True)},
        {"control": Control(up=True, primary=True, function=16)},
        {"event_counters": (0, 0)},
        {"password": b"short"},
        {"time_tag": TimeTag(256, bytes(4)), "sequence": Sequence(0, tagged=True)},
    ],
)
def test_frames_that_cannot_be_sent(change):
    with pytest.raises(LocalError):
        replace(parse(named("001")), **change).to_bytes()


def test_broadcast():
    address = TerminalAddress("0000", 0xFFFF, msa=16, group=True)
    assert address.broadcast
    assert parse(named("061")).address == address


# --- 11: EE


def test_ee_is_no_value():
    (unit,) = read_unit(0x0C, parse(named("015")).units[0], up=True)
    assert isinstance(unit, CurrentEnergyUnit)
    assert unit.values == (Decimal("0.0100"), None, None, None, None)
    (instant,) = read_unit(0x0C, parse(named("018")).units[0], up=True)
    assert isinstance(instant, InstantUnit)
    assert instant.values["active_power", "total"] == Decimal("0.0000")
    assert instant.values["voltage", "a"] == Decimal("242.7")
    assert instant.values["current", "b"] is None
    assert instant.to_unit() == parse(named("018")).units[0]


# --- 12: several bits in one unit


def test_a_unit_of_two_points_and_two_functions():
    start = bytes.fromhex("00000103260101")
    data = b"".join(start + value for value in (b"\x01\x22", b"\x01\0\0", b"\x02\x22", b"\x02\0\0"))
    unit = Unit((1, 2), (89, 92), data)
    found = read_unit(0x0D, unit, up=True)
    curves = [one for one in found if isinstance(one, CurveUnit)]
    assert [(one.point, one.function, one.values) for one in curves] == [
        (1, 89, (Decimal("220.1"),)),
        (1, 92, (Decimal("0.001"),)),
        (2, 89, (Decimal("220.2"),)),
        (2, 92, (Decimal("0.002"),)),
    ]
    assert split_units(unit.to_bytes(), layout_of(0x0D, up=True)) == ((unit,), True)


def test_an_unknown_function_takes_the_rest_and_does_not_hide_what_came_before():
    clock = afn_0c.clock_answer(datetime(2026, 3, 1))
    body = clock.to_bytes() + Unit((1,), (240,), b"what is this").to_bytes()
    units, clean = split_units(body, layout_of(0x0C, up=True))
    assert [unit.functions for unit in units] == [(2,), (240,)]
    assert not clean
    (unread,) = read_unit(0x0C, units[1], up=True)
    assert unread == Unread(1, 240, b"what is this", "unknown_function")


# --- 13, 14: EC only with ACD, Tp only with TpV


def test_event_counters_only_with_acd():
    with_acd = parse(named("031"))
    assert with_acd.event_counters == (17, 0)
    without = bytearray(named("031"))
    without[6] &= 0xDF
    without[-2] = sum8(bytes(without[6:-2]))
    frame = parse(bytes(without))
    assert frame.event_counters is None
    assert frame.units[0].data == b"\x11\x00"
    with pytest.raises(LocalError):
        replace(with_acd, event_counters=None).to_bytes()


def test_a_time_tag_only_with_tpv():
    tagged = parse(named("015"))
    assert tagged.time_tag is not None
    untagged = replace(tagged, sequence=replace(tagged.sequence, tagged=False))
    with pytest.raises(LocalError):
        untagged.to_bytes()
    assert parse(replace(untagged, time_tag=None).to_bytes()).time_tag is None


def test_a_frame_without_room_for_its_time_tag():
    with pytest.raises(DecodeError) as caught:
        parse(sealed(bytes.fromhex("C9710122080002F900000100")))
    assert caught.value.kind == "aux_too_short"


# --- typed units


TYPED_UP = [
    (0x0C, ClockUnit(datetime(2026, 3, 1, 12, 30, 15))),
    (0x0C, CurrentEnergyUnit(9, 129, datetime(2026, 3, 1, 12), (Decimal("1.2345"), None))),
    (0x0C, CurrentEnergyUnit(9, 130, None, (Decimal("1.23"),))),
    (0x0D, CurveUnit(1, 101, datetime(2026, 3, 1), tuple(Decimal(n) for n in range(96)))),
    (0x0D, CurveUnit(8, 81, datetime(2026, 3, 1), (Decimal("-1.5"), None), 3)),
    (0x0D, CurveUnit(8, 109, datetime(2026, 3, 1), (Decimal(0), Decimal(120), Decimal(240)), 3)),
    (0x0D, DayFreezeUnit(2040, 161, date(2026, 3, 1), datetime(2026, 3, 2), (Decimal(7), None))),
    (0x0D, DayFreezeUnit(1, 177, date(2026, 2, 1), datetime(2026, 3, 1), (Decimal(7),))),
    (0x10, ForwardAnswer(31, b"")),
    (0x10, ForwardAnswer(2, bytes(300))),
]
TYPED_DOWN = [
    (0x0C, CurrentRequest(7, 129)),
    (0x0D, CurveRequest(1, 145, datetime(2026, 3, 1), 96)),
    (0x0D, DayFreezeRequest(1, 161, date(2026, 3, 1))),
    (0x0D, DayFreezeRequest(1, 184, date(2026, 3, 1))),
    (0x10, Forward(31, b"\x68\x16", LineControl(9600, "none", 7, 2), 1.2, 50)),
    (0x10, Forward(31, b"", message_timeout_s=60.0)),
]


@pytest.mark.parametrize(("afn", "typed"), TYPED_UP)
def test_typed_units_come_back_up(afn, typed):
    assert read_unit(afn, typed.to_unit(), up=True) == (typed,)
    body = typed.to_unit().to_bytes() * 2
    assert split_units(body, layout_of(afn, up=True)) == ((typed.to_unit(),) * 2, True)


@pytest.mark.parametrize(("afn", "typed"), TYPED_DOWN)
def test_typed_units_come_back_down(afn, typed):
    assert read_unit(afn, typed.to_unit(), up=False) == (typed,)


def test_the_times_of_a_curve():
    curve = CurveUnit(1, 101, datetime(2026, 3, 1, 23, 30), (None,) * 3, density_of(900))
    assert [f"{time:%d %H:%M}" for time in curve.times()] == ["01 23:30", "01 23:45", "02 00:00"]
    with pytest.raises(LocalError):
        density_of(901)


@pytest.mark.parametrize(
    "typed",
    [
        CurveUnit(1, 96, datetime(2026, 3, 1), (Decimal(1),)),
        CurveUnit(1, 109, datetime(2026, 3, 1), (Decimal(1),)),
        CurveUnit(1, 101, datetime(2026, 3, 1), (None,) * 256),
        DayFreezeUnit(1, 1, date(2026, 3, 1), None, (None,)),
        DayFreezeUnit(1, 161, date(2026, 3, 1), None, ()),
        CurrentEnergyUnit(1, 1, None, (None,)),
        Forward(31, bytes(16_001)),
        Forward(31, b"", message_timeout_s=128.0),
        Forward(31, b"", byte_timeout_ms=2560),
        Forward(31, b"", LineControl(baud=110)),
        ForwardAnswer(256, b""),
    ],
)
def test_what_cannot_be_sent_is_refused(typed):
    with pytest.raises(LocalError):
        typed.to_unit()


@pytest.mark.parametrize("afn", TABLES)
def test_rows_are_findable_and_named_in_both_languages(afn):
    rows: dict[int, Row] = dict(TABLES[afn])
    assert len(rows) == len(MODULES[afn].ROWS), "a function stands there twice"
    for function, row in rows.items():
        assert find(afn, function) is row
        assert row.name
        assert row.name_zh
        assert row.source


def test_items_of_a_unit_that_is_cut_short():
    unit = Unit((1,), (129, 130), CurrentEnergyUnit(1, 129, None, (None,)).to_unit().data + b"\0")
    first, second = items(unit, layout_of(0x0C, up=True))
    assert first.known
    assert (second.function, second.data, second.known) == (130, b"\0", False)


# --- grouping


def test_reports_are_filled_up_to_the_limit_and_keep_their_order():
    curves = [
        CurveUnit(point, 101, datetime(2026, 3, 1), (Decimal(point),) * 24)
        for point in range(1, 41)
    ]
    reports = build_report(curves)
    frames = [initiated_frame(report, ADDRESS, 0) for report in reports]
    assert all(len(frame.user_data()) <= 1000 for frame in frames)
    assert [unit for frame in frames for unit in frame.units] == [c.to_unit() for c in curves]
    assert len(frames) == 5


def test_a_unit_that_is_too_long_stands_alone():
    small, large = Unit((1,), (1,)), Unit((1,), (2,), bytes(50))
    assert group_units([small, large, small, small], 20) == [(small,), (large,), (small, small)]
