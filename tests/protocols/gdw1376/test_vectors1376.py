"""Every frame of the corpus: each field that it expects, and the same bytes back."""

from decimal import Decimal

import pytest
from tests.protocols.gdw1376.corpus1376 import named, own, raw_of, shared

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376 import afn_00, afn_02, afn_04
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit
from kwhub.protocols.gdw1376.afn_0d import DayFreezeRequest
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.frames import Profile, parse
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.protocols.gdw1376.summary import summarise, values
from kwhub.protocols.gdw1376.typed import read_unit


def fields(raw):
    """What a frame says, under the names of the corpus."""
    frame = parse(raw)
    control, address, sequence = frame.control, frame.address, frame.sequence
    body = b"".join(unit.to_bytes() for unit in frame.units)
    found: dict[str, object] = {
        "proto_id": frame.protocol_id,
        "user_len": len(frame.user_data()),
        "C": f"{control.to_byte():02X}",
        "dir": "up" if frame.up else "down",
        "prm": int(control.primary),
        "acd" if frame.up else "fcb": int(control.bit5),
        "fcv_or_res": int(control.bit4),
        "func": control.function,
        "region": address.region,
        "terminal": address.terminal,
        "terminal_hex": f"{address.terminal:04X}",
        "group": int(address.group),
        "msa": address.msa,
        "AFN": f"{frame.afn:02X}",
        "SEQ": f"{sequence.to_byte():02X}",
        "tpv": int(sequence.tagged),
        "fir": int(sequence.first),
        "fin": int(sequence.last),
        "con": int(sequence.confirm),
        "pseq": sequence.number,
        "cs": f"{raw[-2]:02X}",
        "p": list(frame.units[0].points),
        "f": list(frame.units[0].functions),
        "data": body[4:].hex().upper(),
        "groups": [{"p": list(u.points), "f": list(u.functions)} for u in frame.units],
    }
    if frame.password is not None:
        found["pw"] = frame.password.hex().upper()
    if frame.event_counters is not None:
        found["ec"] = {"ec1": frame.event_counters[0], "ec2": frame.event_counters[1]}
    if frame.time_tag is not None:
        second, minute, hour, day = frame.time_tag.raw_time.hex(" ").split()
        found["tp"] = {
            "pfc": frame.time_tag.counter,
            "sent": f"day {day} {hour}:{minute}:{second}",
            "delay_min": frame.time_tag.delay_min,
        }
    return found


NOT_OF_THE_FRAME = {"afn_name", "decoded", "semantic_issue"}


def check(line):
    raw = raw_of(line)
    if not line["valid"]:
        with pytest.raises(DecodeError) as caught:
            parse(raw)
        assert caught.value.kind == "length_mismatch"
        assert caught.value.detail == line["why"]
        return
    assert parse(raw).to_bytes() == raw
    found = fields(raw)
    for name, expected in line["expect"].items():
        if name not in NOT_OF_THE_FRAME:
            assert found[name] == expected, (line["id"], name)
    for name in ("pw", "ec", "tp"):
        assert (name in found) == (name in line["expect"]), (line["id"], name)
    (received,) = Receiver().feed(raw)
    assert isinstance(received, Received)
    assert received.raw == raw


def standard_address(line):
    return line["id"] != "1376_1-090"


def test_the_chosen_frames():
    for line in filter(standard_address, own()):
        check(line)


def test_every_frame_of_the_corpus():
    lines = shared()
    assert len(lines) >= 79
    for line in filter(standard_address, lines):
        check(line)


def test_decoded_values_of_the_corpus():
    seen = 0
    for line in shared():
        expected = line.get("expect", {}).get("decoded")
        if isinstance(expected, dict):
            seen += 1
            frame = parse(raw_of(line))
            found = DECODERS[frame.afn, frame.units[0].functions[0]](frame)
            for name, value in expected.items():
                assert found[name] == value, (line["id"], name)
    assert seen >= 20


def per_item(frame):
    unit = frame.units[0]
    items = [
        {"p": list(result.points), "f": list(result.functions), "err": result.error}
        for result in afn_00.read_results(unit)
    ]
    return {"afn": f"{unit.data[0]:02X}", "items": items}


def clock(frame):
    found = A1.decode(frame.units[0].data)
    assert found is not None
    return {"clock_A1": f"{found.time:%Y-%m-%d %H:%M:%S} wd{found.weekday}"}


def energy(frame):
    (unit,) = read_unit(frame.afn, frame.units[0], up=True)
    assert isinstance(unit, CurrentEnergyUnit)
    return {
        "read_at": f"{unit.read_at:%Y-%m-%d %H:%M}",
        "tariffs": len(unit.values) - 1,
        "kWh": [None if value is None else str(value) for value in unit.values],
    }


def freeze_request(frame):
    (unit,) = read_unit(frame.afn, frame.units[0], up=False)
    day = unit.day if isinstance(unit, DayFreezeRequest) else untyped_day(frame)
    return {"Td-d": f"{day:%Y-%m-%d}"}


def untyped_day(frame):
    """F1 and F2 have no type of their own; the table reads their day."""
    (value,) = values(frame)
    assert isinstance(value.value, str)
    return DayFreezeRequest.from_data(1, 161, frame.units[0].data).day


def head_end(frame):
    found = {value.name: value.value for value in values(frame)}
    return {
        "main": dotted(found["main IP"]),
        "main_port": found["main port"],
        "backup": dotted(found["backup IP"]),
        "backup_port": found["backup port"],
        "apn": found["APN"],
    }


def dotted(text):
    return ".".join(str(byte) for byte in bytes.fromhex(text))


def forwarded(frame):
    if frame.up:
        answer = ForwardAnswer.from_unit(frame.units[0])
        return {
            "port": answer.port,
            "len": len(answer.payload),
            "payload": answer.payload.hex().upper(),
        }
    order = Forward.from_unit(frame.units[0])
    return {
        "port": order.port,
        "baud": order.line.baud,
        "stopbits": order.line.stop_bits,
        "parity": order.line.parity,
        "databits": order.line.data_bits,
        "msg_timeout": f"{order.message_timeout_s:.0f} x 1 s",
        "byte_timeout_ms": order.byte_timeout_ms,
        "len": len(order.payload),
        "payload": order.payload.hex().upper(),
    }


def archive(frame):
    meters = [
        {
            "seq": record.index,
            "pn": record.point,
            "baud_code": record.line >> 5,
            "port": record.port,
            "proto": record.protocol,
            "addr": record.address,
            "pwd": record.password.hex().upper(),
            "tariffs": record.tariffs,
            "digits": record.digits,
            "collector": record.collector,
            "class": record.user_class,
        }
        for record in afn_04.read_archive(frame.units[0])
    ]
    return {"n": len(meters), "meters": meters}


def events(frame):
    found = [value.value for value in values(frame)]
    ec1, ec2, pm, pn = found[:4]
    records = zip(found[4::3], found[5::3], found[6::3], strict=True)
    return {
        "ec1": ec1,
        "ec2": ec2,
        "pm": pm,
        "pn": pn,
        "events": [{"erc": code, "len": size, "data": data} for code, size, data in records],
    }


DECODERS = {
    (0x00, 3): per_item,
    (0x04, 10): archive,
    (0x0A, 3): head_end,
    (0x0C, 2): clock,
    (0x0C, 129): energy,
    (0x0D, 1): freeze_request,
    (0x0D, 2): freeze_request,
    (0x0D, 161): freeze_request,
    (0x0E, 1): events,
    (0x10, 1): forwarded,
}


def test_the_wider_address_of_one_province():
    raw = named("090")
    frame = parse(raw, Profile(terminal_bytes=4))
    assert (frame.address.region, frame.address.terminal) == ("2202", 0x22352760)
    assert (frame.afn, frame.units) == (afn_02.AFN, (afn_02.login_unit(),))
    assert frame.to_bytes() == raw


def test_old_equipment_only_when_asked():
    raw = bytearray(named("001"))
    raw[1] = raw[3] = 0x31
    with pytest.raises(DecodeError):
        parse(bytes(raw))
    frame = parse(bytes(raw), Profile(protocol_ids=frozenset({1, 2})))
    assert frame.protocol_id == 1
    assert frame.to_bytes() == bytes(raw)


def test_a_mask_of_f1_and_f2_is_no_confirmation_item_by_item():
    frame = parse(named("024"))
    assert frame.units[0].functions == (1, 2)
    assert afn_00.read_verdict(frame.units)[0] is afn_00.Verdict.UNCLEAR


def test_a_confirmation_with_bytes_behind_it_is_one():
    assert afn_00.read_verdict(parse(named("004")).units)[0] is afn_00.Verdict.CONFIRMED


def test_a_report_of_ten_curves():
    found = values(parse(named("084")))
    assert [value.function for value in found] == [81, 82, 89, 92, 97, 99, 101, 103, 105, 106]
    by_function = {value.function: value for value in found}
    assert by_function[89].value == Decimal("239.9")
    assert by_function[101].value == Decimal("137.70")
    assert by_function[105].value == Decimal("100.0")
    assert all(f"{value.time:%Y-%m-%d %H:%M}" == "2024-01-16 20:45" for value in found)


def test_summary_of_a_report():
    summary = summarise(parse(named("100")))
    assert (summary.control, summary.afn, summary.region, summary.terminal) == (
        "CB",
        "0D",
        "1000",
        1,
    )
    assert summary.points == (2,)
    assert summary.functions == (*range(81, 97), *range(105, 109))
    assert summary.units[8].names == ("curve: voltage, phase A",)
