"""Codecs of the tables' notation: digits, signs, missing values, refusals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.wire.codecs import U16BE, U16LE, U24LE, bcd_text, fmt, raw_bytes

NOTATIONS = ["XX", "XXXX", "XXX.X", "X.XXX", "XX.XXXX", "XXX.XXX", "XXXXXX.XX", "XXXXXX.XXXX"]


@pytest.mark.parametrize(
    ("notation", "signed", "raw", "value"),
    [
        ("XXXXXX.XX", False, "38000000", "0.38"),
        ("XXXXXX.XX", False, "56341200", "1234.56"),
        ("XXXXXX.XX", True, "34120080", "-12.34"),
        ("XXX.XXX", True, "235180", "-5.123"),
        ("X.XXX", True, "0085", "-0.500"),
        ("XXX.X", False, "5622", "225.6"),
        ("XX.XXXX", True, "FFFF79", None),
    ],
)
def test_known_values(notation, signed, raw, value):
    codec = fmt(notation, signed=signed)
    if value is None:
        with pytest.raises(DecodeError, match="not a decimal number"):
            codec.decode(bytes.fromhex(raw))
        return
    assert codec.decode(bytes.fromhex(raw)) == Decimal(value)
    assert str(codec.decode(bytes.fromhex(raw))) == value
    assert codec.encode(Decimal(value)) == bytes.fromhex(raw)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("notation", NOTATIONS)
def test_all_ff_is_no_value(notation, signed):
    codec = fmt(notation, signed=signed)
    assert codec.decode(b"\xff" * codec.size) is None
    assert codec.encode(None) == b"\xff" * codec.size


def test_ee_is_no_value_only_where_the_protocol_says_so():
    assert fmt("XXX.X", missing=(0xEE, 0xFF)).decode(b"\xee\xee") is None
    with pytest.raises(DecodeError) as caught:
        fmt("XXX.X").decode(b"\xee\xee")
    assert caught.value.kind == "not_bcd"


@given(st.sampled_from(NOTATIONS), st.booleans(), st.data())
def test_round_trip(notation, signed, data):
    codec = fmt(notation, signed=signed)
    digits = 2 * codec.size
    most = (8 * 10 ** (digits - 1) if signed else 10**digits) - 1
    scaled = data.draw(st.integers(-most if signed else 0, most))
    places = len(notation.partition(".")[2])
    value = Decimal(scaled).scaleb(-places)
    raw = codec.encode(value)
    assert codec.decode(raw) == value
    assert codec.decode_scaled(raw) == scaled


@given(st.sampled_from(NOTATIONS), st.booleans(), st.binary(max_size=8))
def test_any_bytes_decode_or_are_refused(notation, signed, raw):
    codec = fmt(notation, signed=signed)
    try:
        value = codec.decode(raw)
    except DecodeError as error:
        assert error.kind in {"length", "not_bcd"}
    else:
        assert value is None or codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize("value", ["1.234", "1000000", "-1"])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(LocalError):
        fmt("XXXXXX.XX").encode(Decimal(value))


def test_a_signed_number_keeps_its_top_bit_free():
    with pytest.raises(LocalError):
        fmt("XX.XXXX", signed=True).encode(Decimal(80))


@pytest.mark.parametrize("notation", ["", "XYZ", "XXX", "X.X.X"])
def test_nonsense_notation_is_refused(notation):
    with pytest.raises(LocalError):
        fmt(notation)


def test_quantize_cuts_as_a_register_shows_it():
    assert fmt("XXXXXX.XX").quantize(Decimal("1.999")) == Decimal("1.99")


def test_integers_and_text():
    assert U16LE.decode(b"\x34\x12") == U16BE.decode(b"\x12\x34") == 0x1234
    assert U24LE.encode(1) == b"\x01\0\0"
    with pytest.raises(LocalError):
        U16LE.encode(70_000)
    with pytest.raises(DecodeError):
        U16LE.decode(b"\x01")
    assert bcd_text(6).decode(bytes.fromhex("AAAAAAAA1290"[::1])) == "9012AAAAAAAA"
    assert bcd_text(6).encode("38") == bytes.fromhex("380000000000")
    with pytest.raises(LocalError):
        bcd_text(2).encode("12G4")
    with pytest.raises(LocalError):
        raw_bytes(2).encode(b"123")
