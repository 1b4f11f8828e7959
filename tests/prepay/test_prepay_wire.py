"""Layouts of the security commands: the given frames byte for byte, both ways, and garbage refused."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.orders import sealed_control
from kwhub.prepay.reasons import SecurityError, display_code, words, words_zh
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.sessions import Target
from kwhub.prepay.tariff import TARIFF_BYTES, TariffSet
from kwhub.prepay.wire import (
    ALIASES,
    PLAIN_FILES,
    REQUESTS,
    decode_answer,
    decode_request,
    file_bytes,
    open_parameter,
    sealed_file,
    sealed_parameter,
    value_bytes,
)
from kwhub.prepay.wire.requests import (
    AuthenticateIdentity,
    KeyPackage,
    Purchase,
    SetValidity,
    UpdateKeys,
)
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.orders import Authenticate

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors"))
OPERATOR = "01000000"


def vector():
    path = SHARED / "softesam_vectors.json"
    if not path.exists():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return json.loads(path.read_text("utf-8"))


def bytes_of(request):
    return Frame645(request.address, request.function, request.data()).to_bytes().hex().upper()


def test_the_three_frames_come_out_byte_for_byte():
    given_ = vector()
    meter, raw = given_["meter_no"], bytes.fromhex
    login = AuthenticateIdentity(raw(given_["cipher1"]), raw(given_["R1"]), raw(given_["factor"]))
    bought = given_["recharge"]
    purchase = Purchase(
        bought["amount_cents"],
        bought["count"],
        raw(bought["mac1"]),
        raw(bought["customer"]),
        raw(bought["mac2"]),
    )
    frames = given_["frames"]
    for name, data in (("identity_auth_070000FF", login), ("recharge_070102FF", purchase)):
        request = Authenticate(meter, data.IDENTIFIER, data.payload(), OPERATOR)
        assert bytes_of(request) == frames[name]
        assert decode_request(data.IDENTIFIER, request.payload) == data
    sealed = raw(given_["control_allow_close"]["cipher_mac"])
    target = Target(meter, meter, OPERATOR)
    assert bytes_of(sealed_control(target, sealed, wants_word=False)) == frames["remote_control_1C"]


LENGTHS = {
    0x070000FF: 0x20, 0x070001FF: 0x0E, 0x070002FF: 0x08, 0x070003FF: 0x10, 0x078003FF: 0x10,
    0x070101FF: 0x1E, 0x070102FF: 0x1E, 0x070103FF: 0x18, 0x070108FF: 0x22, 0x070201FF: 0x30,
    0x070202FF: 0x30, 0x070203FF: 0x30, 0x078001FF: 0x10, 0x078002FF: 0x12, 0x078102FF: 0x08,
}  # fmt: skip
ANSWER_BYTES = {0x070000FF: 12, 0x070002FF: 18, 0x078003FF: 30, 0x078002FF: 64, 0x078102FF: 26}


@pytest.mark.parametrize(("identifier", "length"), LENGTHS.items())
def test_each_request_has_the_length_of_the_table_and_survives_a_round_trip(identifier, length):
    payload = bytes(each % 10 for each in range(length - 8))
    decoded = decode_request(identifier, payload)
    assert decoded.payload() == payload
    assert len(Authenticate("1", identifier, payload).data()) == length
    for wrong in (payload + b"x", payload[:-1]):
        if len(wrong) < 1 << 8 and wrong != payload:
            with pytest.raises(DecodeError):
                decode_request(identifier, wrong)


@pytest.mark.parametrize(("identifier", "length"), ANSWER_BYTES.items())
def test_each_answer_has_the_length_of_the_table(identifier, length):
    payload = bytes(range(length))
    assert decode_answer(identifier, payload).payload() == payload
    with pytest.raises(DecodeError):
        decode_answer(identifier, payload[1:])


@given(st.sampled_from([*sorted(REQUESTS), *ALIASES, 0x0711_11FF]), st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_decode_error(identifier, payload):
    try:
        decoded = decode_request(identifier, payload)
    except DecodeError:
        return
    assert len(decoded.payload()) == len(payload)


@given(st.sampled_from(sorted(REQUESTS)), st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_decode_error(identifier, payload):
    try:
        decoded = decode_answer(identifier, payload)
    except DecodeError:
        return
    assert decoded.payload() == payload


def test_items_are_turned_one_by_one_and_single_bytes_of_a_key_stay():
    keys = tuple(KeyPackage(2, each, 1, bytes([each]) + bytes(range(31))) for each in (4, 5))
    frame = UpdateKeys(keys, b"\x01\x02\x03\x04")
    raw = frame.payload()
    assert raw[:5] == b"\x02\x00\x04\x01\x1e"
    assert raw[-4:] == b"\x04\x03\x02\x01"
    assert UpdateKeys.from_payload(raw) == frame
    assert SetValidity(15, b"abcd").payload() == b"\x15\x00dcba"
    with pytest.raises(LocalError):
        SetValidity(10_000, b"abcd").payload()
    with pytest.raises(LocalError):
        UpdateKeys((), b"abcd").payload()
    with pytest.raises(LocalError):
        KeyPackage(1, 1, 1, b"short").to_bytes()
    with pytest.raises(LocalError):
        Purchase(1 << 32, 1, b"1234", bytes(6), b"1234").payload()
    with pytest.raises(LocalError):
        Purchase(1, 1, b"123", bytes(6), b"1234").payload()


@given(st.sampled_from(sorted(PLAIN_FILES)), st.binary(min_size=1, max_size=130))
def test_a_value_goes_into_its_file_and_back(identifier, value):
    place = PLAIN_FILES[identifier]
    try:
        content = file_bytes(place, value)
    except DecodeError:
        return
    assert value_bytes(place, content) == value


def test_prices_are_turned_one_by_one():
    place = PLAIN_FILES[0x0405_02FF]
    assert file_bytes(place, bytes.fromhex("0050000000600000")).hex() == "0000500000006000"


@given(st.integers(0, 0xFFFF_FFFF), st.binary(max_size=120))
def test_a_sealed_parameter_is_opened_for_its_own_identifier_only(identifier, value):
    plain = sealed_parameter(identifier, value)
    assert len(plain) % 16 == 0
    assert open_parameter(identifier, plain + bytes(16)) == value
    with pytest.raises(DecodeError):
        open_parameter(identifier ^ 1, plain + bytes(16))
    assert sealed_file(identifier) in {9, 0x10, 0x11, 0x12, 0x13}


def test_what_is_too_long_or_says_a_wrong_length_is_refused():
    with pytest.raises(LocalError):
        sealed_parameter(0x04001003, bytes(124))
    with pytest.raises(DecodeError):
        open_parameter(0, b"\x30" + bytes(15))


def test_every_bit_has_a_word_in_both_languages_and_the_display_a_code():
    assert len(words(SecurityError(0x3FF))) == len(words_zh(SecurityError(0x3FF))) == 10
    assert words(SecurityError.REPEATED) == ("recharge repeated",)
    assert words_zh(SecurityError.SUSPENDED) == ("电能表挂起",)
    assert display_code(SecurityError.COUNT | SecurityError.OTHER) == "Err-13"
    assert display_code(SecurityError.OTHER) == ""


def info(**knobs):
    values = {"money": 5_000, "count": 4, "overdraft": 0, "key_state": 255, "illegal": 3}
    return RunInformation(bytes(6), bytes(6), moment=None, **values | knobs)


def test_the_run_information_has_fifty_bytes_and_a_check_sum():
    raw = info().to_bytes()
    assert len(raw) == 50
    assert RunInformation.from_bytes(raw) == info()
    for place in range(50):
        changed = bytearray(raw)
        changed[place] ^= 0x41
        with pytest.raises(DecodeError):
            RunInformation.from_bytes(bytes(changed))
    with pytest.raises(LocalError):
        info(money=1 << 32).to_bytes()
    with pytest.raises(LocalError):
        info(user_type=1, current_ratio=10**6).to_bytes()


def test_tiers_add_to_the_tariffs():
    tariff = TariffSet((10_000, 5_000), (100_00, 200_00), (0, 1_000, 3_000), ("010100",))
    assert TariffSet.from_bytes(tariff.to_bytes()) == tariff
    assert len(tariff.to_bytes()) == TARIFF_BYTES
    assert tariff.cost((100, 100, 0, 0), 0) == 1_500_000
    across = tariff.cost((0, 300_00, 0, 0), 0)
    assert across == 300_00 * 5_000 + 100_00 * 1_000 + 100_00 * 3_000
    halves = tariff.cost((0, 150_00, 0, 0), 0) + tariff.cost((0, 150_00, 0, 0), 150_00)
    assert halves == across


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(4) + b"\xff" * (TARIFF_BYTES - 4),
        TariffSet(limits=(2, 1)).to_bytes(),
        TariffSet(period_starts=("023000",)).to_bytes(),
    ],
)
def test_what_is_no_tariff_set_is_refused(raw):
    with pytest.raises(DecodeError):
        TariffSet.from_bytes(raw)


@pytest.mark.parametrize(
    "knobs", [{"prices": (1,) * 33}, {"prices": (10**8,)}, {"period_starts": ("010100",) * 5}]
)
def test_a_tariff_set_that_does_not_fit_is_refused(knobs):
    with pytest.raises(LocalError):
        TariffSet(**knobs).to_bytes()
