"""The whole corpus of frames from the outside world."""

from tests.protocols.dlt645.corpus645 import shared

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.checks import check
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.refusals import ERR_1997, ERR_2007, reasons
from kwhub.protocols.dlt645.summary import summarise

SAME_FAULT = {
    # What the collection calls it, and what can be seen in the bytes alone.
    "garbled_serial_settings": "second_start_missing",
    "offset_missing_and_checksum": "checksum_mismatch",
    "fe_inside_data": "length_mismatch",
}

WELL_FRAMED = {
    # Right by framing: the fault lies in the meaning, in the exchange, or in a value.
    "address_byte_order",  # only the missing answer shows it
    "answer_without_value",  # legal for load records
    "bad_parameter",
    "baud_word_not_one_bit",
    "offset_missing",
    "password_offset_missing",
    "time_byte_order",
    "time_not_valid",
    "unexpected_address",  # the session's business
    "value_length_mismatch",  # the item's business
    "value_not_bcd",
}


def test_every_frame_of_the_corpus():
    lines = [line for line in shared("dlt645.jsonl") if line.get("level") != "data"]
    assert len(lines) > 100
    for line in lines:
        raw = bytes.fromhex(line["hex"])
        expect = line["expect"]
        if not line["valid"]:
            assert kind_of(raw) == "checksum_mismatch", line["id"]
            continue
        frame = parse(raw)
        summary = summarise(frame)
        assert frame.to_bytes() == raw, line["id"]
        assert len(frame.data) == expect["length"]
        assert f"{raw[-2]:02X}" == expect["cs"]
        assert frame.data.hex().upper() == expect["data_minus33"]
        assert summary.edition.value == line["protocol"], line["id"]
        assert summary.identifier == expect.get("di"), line["id"]
        for name in ("preamble", "address", "control", "direction", "abnormal", "more_frames"):
            assert getattr(summary, name) == expect[name], (line["id"], name)


def test_error_words_of_the_corpus():
    seen = 0
    for line in shared("dlt645.jsonl"):
        words = line["expect"].get("err_bits")
        if words:
            seen += 1
            table = ERR_2007 if line["protocol"] == "dlt645-2007" else ERR_1997
            error = int(line["expect"]["err"], 16)
            assert summarise(parse(bytes.fromhex(line["hex"]))).errors == reasons(error, table)
            assert len(words) == len(reasons(error, table))
    assert seen >= 6


def test_every_diagnosis_of_the_corpus():
    for line in shared("dlt645_bad.jsonl"):
        raw = bytes.fromhex(line["hex"])
        diagnosis = line["diagnosis"]
        found = kind_of(raw)
        if diagnosis in WELL_FRAMED:
            assert found is None or found == "bad_length_for_function", line["id"]
        elif diagnosis == "echo_then_answer":
            assert found == "stray_trailing_bytes"
        else:
            assert found == SAME_FAULT.get(diagnosis, diagnosis), line["id"]


def test_recoverable_frames_are_recovered():
    seen = 0
    for line in shared("dlt645_bad.jsonl"):
        wanted = line.get("recoverable_frame")
        if wanted:
            seen += 1
            receiver = Receiver()
            found = receiver.feed(bytes.fromhex(line["hex"])) + receiver.flush()
            raws = [item.raw for item in found if isinstance(item, Received)]
            assert raws[-1] == bytes.fromhex(wanted)
    assert seen == 2


def kind_of(raw: bytes) -> str | None:
    """The kind of the first thing that is wrong, framing before meaning."""
    try:
        problem = check(parse(raw))
    except DecodeError as error:
        problem = error
    return None if problem is None else problem.kind
