"""Pulse files: what is written is read, with the stated loss; what is damaged says where."""

import contextlib
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.codes import decode, encode
from kwhub.infrared.formats import FORMATS, detect, read, read_trains, write
from kwhub.infrared.pulses import Pulses

DURATIONS = st.lists(st.floats(2, 100_000).map(lambda x: round(x, 3)), min_size=3, max_size=40)
TRAINS = st.builds(
    lambda durations, carrier, duty: Pulses(
        tuple(durations if len(durations) % 2 else durations[:-1]), carrier, duty
    ),
    DURATIONS,
    st.one_of(st.none(), st.integers(30_000, 60_000).map(float)),
    st.one_of(st.none(), st.integers(10, 90).map(lambda percent: percent / 100)),
)
LOSS_US = {"vcd": 0.001, "csv": 0.0021, "sr": 1.0, "flipper": 0.5}
NEC = encode("NEC", {"address": 4, "command": 8})


@given(TRAINS, st.sampled_from(["mode2", "jsonl"]))
def test_nothing_is_lost_in_mode2_and_json(train, form):
    assert read(write(train, form)) == [train]


@given(TRAINS)
def test_a_raw_list_loses_only_the_carrier(train):
    assert read(write(train, "raw")) == [Pulses(train.durations_us)]


@given(TRAINS, st.sampled_from(sorted(LOSS_US)))
def test_times_are_rounded_as_stated(train, form):
    (back,) = read(write(train, form))
    assert len(back.durations_us) == len(train.durations_us)
    for was, now in zip(train.durations_us, back.durations_us, strict=True):
        assert abs(was - now) <= LOSS_US[form] + 1e-4
    if form == "flipper" and train.carrier_hz is not None:
        assert back.carrier_hz == train.carrier_hz


@given(TRAINS)
def test_pronto_rounds_to_carrier_periods(train):
    (back,) = read(write(train, "pronto"))
    if train.carrier_hz is None:
        assert back.carrier_hz is None
        period = 1.0
    else:
        assert back.carrier_hz == pytest.approx(train.carrier_hz, rel=0.01)
        assert back.carrier_hz is not None
        period = 1e6 / back.carrier_hz
    for was, now in zip(train.durations_us, back.durations_us, strict=False):
        held = min(was, 0xFFFF * 0.964984) if train.carrier_hz is None else was
        assert abs(held - now) <= period + 1e-6
    assert len(back.durations_us) == len(train.durations_us) + 1


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_found_and_still_decodes(form):
    content = write(NEC, form)
    assert detect(content) == form
    (train,) = read(content)
    answer = decode(train)[0]
    assert (answer.protocol, answer.fields["address"], answer.fields["command"]) == ("NEC", 4, 8)


def test_mode2_begins_with_a_long_dark_and_has_comments():
    text = "Using driver default\n# 2026\nspace 1000000\npulse 9000\nspace 4500\npulse 560\ntimeout 99\n"
    assert read(text) == [Pulses((9000.0, 4500.0, 560.0, 99.0))]


@pytest.mark.parametrize(
    ("text", "durations"),
    [
        ("+9000 -4500 +560", (9000, 4500, 560)),
        ("[9000, 4500, 560]", (9000, 4500, 560)),
        ("9000,4500,\n560", (9000, 4500, 560)),
        ("-30000 9000 -4500 560 -1", (9000, 4500, 560, 1)),
        ("9000 0 100 4500 560", (9100, 4500, 560)),
    ],
)
def test_raw_lists_with_and_without_signs(text, durations):
    assert read(text, "raw") == [Pulses(tuple(map(float, durations)))]


def test_both_sequences_of_a_pronto_code():
    once, repeat = read("0000 006D 0002 0001 0157 00AC 0015 0689 0157 0056", "pronto")
    assert once.carrier_hz == pytest.approx(38_029, abs=1)
    assert once.durations_us[0] == pytest.approx(9019, abs=1)
    assert len(repeat.durations_us) == 2


FLIPPER = """Filetype: IR signals file
Version: 1
#
name: Power
type: parsed
protocol: NEC
address: 04 00 00 00
command: 08 00 00 00
#
name: Raw one
type: raw
frequency: 38000
duty_cycle: 0.330000
data: 9000 4500 560
data: 560 560
#
name: Fridge
type: parsed
protocol: Samsung32
address: 00 00 00 00
command: 00 00 00 00
#
name: Tape
type: parsed
protocol: SIRC20
address: 5A 1C 00 00
command: 01 00 00 00
#
name: Light
type: parsed
protocol: NECext
address: 41 EA 00 00
command: 48 B7 00 00
"""


def test_flipper_files_hold_raw_and_parsed_signals():
    power, raw, fridge, tape, light = read_trains(FLIPPER)
    assert (power.name, power.pulses) == ("Power", NEC)
    assert raw.pulses == Pulses((9000, 4500, 560, 560, 560), 38_000, 0.33)
    assert "line 17" in str(fridge.error)
    assert "Samsung32" in str(fridge.error)
    assert decode(tape.pulses)[0].fields == {"command": 1, "address": 0x1A, "extended": 0xE2}
    assert decode(light.pulses)[0].fields["address"] == 0xEA41
    with pytest.raises(DecodeError, match="Samsung32"):
        read(FLIPPER)


def sigrok(parts, metadata):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("version", "2")
        archive.writestr("metadata", "[device 1]\ncapturefile=logic-1\n" + metadata)
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


METADATA = "samplerate=100 kHz\nunitsize=2\nprobe1=D0\nprobe9=IR\n"


def test_sigrok_files_have_parts_units_and_an_inverted_head():
    dark, light = b"\x01\x01", b"\x00\x00"
    numbered = {f"logic-1-{part}": dark * 10 for part in range(1, 11)}
    parts = {**numbered, "logic-1-11": light * 90, "logic-1-2": dark * 10}
    (train,) = read_trains(sigrok(parts, METADATA))
    assert (train.name, train.pulses.durations_us) == ("IR", (900.0,))
    (forced,) = read_trains(sigrok(parts, METADATA), channel="D0", inverted=False)
    assert forced.pulses.durations_us == (1000.0,)  # the dark at the end is gone
    with pytest.raises(DecodeError, match="there are D0, IR"):
        read_trains(sigrok(parts, METADATA), channel="D7")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04nothing", "no sigrok file"),
        (sigrok({}, METADATA), "has no logic-1"),
        (sigrok({"logic-1": b""}, "samplerate=x\nprobe1=D0\n"), "is no rate"),
        (sigrok({"logic-1": b""}, "samplerate=1 MHz\n"), "names no probe"),
        (sigrok({"logic-1": b""}, "samplerate=1 MHz\nprobe9=D9\nunitsize=1"), "does not fit"),
        ("pulse 100\nspice 20", "line 2: 'spice 20'"),
        ("pulse 100\nspace x", "line 2: 'x' is no number"),
        ("100 200\n300 nan", "line 2: 'nan' is no number"),
        ("0000 006D 0002 0000 0157 00AC", "line 1: 2 .* need 8 words, there are 6"),
        ("0000 006D 0001 0000 0157 00ACX", "line 1: '00ACX'"),
        ("Filetype: IR signals file\nVersion: 1\nrubbish", "line 3"),
        ("$timescale 1 ns $end\n$enddefinitions $end\n", "names no wire"),
        ("time_us,level\n0,0\n5,1\n4,0", "line 4: the time goes back"),
        ('{"durations_us": [1, "x"]}', "line 1: 'x' is no number"),
        ('{"durations": 5}', "line 1: durations_us is no list"),
        ('{"durations_us": [1', "line 1: no JSON"),
        ('{"carrier_hz": 1}', "line 1: no durations_us"),
        ("\x00\x01", "no pulse file"),
        (b"", "the file is empty"),
    ],
)
def test_a_damaged_file_says_what_and_where(content, said):
    with pytest.raises(DecodeError, match=said):
        read(content)


def test_csv_of_samples_in_seconds():
    rows = ["Time [s],IR", *(f"{n / 1000},{int(n < 3 or n >= 7)}" for n in range(11))]
    (train,) = read("\n".join(rows))
    assert train.durations_us == (4000.0,)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"polarity": "mark first, microseconds", "duty": 0.33, "carrier_hz": "38000"},
        {"carrier_hz": None, "duty": "none", "unknown": [1, 2]},
        {"carrier_hz": 1, "duty": 7},
    ],
)
def test_json_lines_bear_other_keys_and_other_spellings(extra):
    line = {"id": "x", "durations_us": [str(d) for d in NEC.durations_us], **extra}
    (train,) = read_trains(json.dumps(line))
    assert train.pulses.durations_us == NEC.durations_us
    assert train.name == "x"


def test_json_lines_that_begin_in_the_dark():
    shifted = {"durations_us": [1e6, 100, 50, 60], "polarity": "space first"}
    begins = {**shifted, "polarity": "begins with a space"}
    signed = {"durations_us": [-1e6, 100, -50, 60]}
    edges = {"edge_samples": [0, 100, 150, 210], "samplerate_hz": 1e6}
    for line in (shifted, begins, signed, edges):
        assert read(json.dumps(line)) == [Pulses((100.0, 50.0, 60.0))]


def test_a_bad_line_spoils_only_itself():
    good, broken, again = read_trains('[1,2,3]\n{"id": "b"}\n[4,5,6]\n', "jsonl")
    assert good.error is None
    assert broken.error is not None
    assert broken.extra == {"id": "b"}
    assert again.pulses.durations_us == (4.0, 5.0, 6.0)


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(LocalError, match=", ".join(FORMATS)):
        write(NEC, "wav")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)), st.sampled_from(FORMATS))
def test_no_file_breaks_the_readers(content, form):
    for chosen in (None, form):
        try:
            read_trains(content, chosen)
        except DecodeError as problem:
            assert problem.detail


@given(st.integers(0, 600), st.binary(min_size=1, max_size=4))
def test_a_damaged_sigrok_file_is_read_or_refused(place, noise):
    content = write(NEC, "sr")
    assert isinstance(content, bytes)
    with contextlib.suppress(DecodeError):
        read(content[:place] + noise + content[place + len(noise) :], "sr")
