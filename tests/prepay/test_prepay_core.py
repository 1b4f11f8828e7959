"""Ciphers against known answers, keys that nobody sees, records that a power cut does not tear."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.prepay import ciphers
from kwhub.prepay.keys import KeySet, MasterKeys, Purpose, factor_of
from kwhub.prepay.memory import RamMemory, TwoSlots

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors"))


def vector():
    path = SHARED / "softesam_vectors.json"
    if not path.exists():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return json.loads(path.read_text("utf-8"))


def test_sm4_gives_the_answer_of_its_standard():
    ciphers.check_known_answers()


def test_the_vectors_of_the_software_element():
    given_ = vector()
    factor = factor_of(given_["meter_no"])
    assert factor.hex() == given_["factor"]
    child = ciphers.child_key(bytes.fromhex(given_["master_key"]), factor)
    assert child.hex() == given_["child_key"]
    first, second = bytes.fromhex(given_["R1"]), bytes.fromhex(given_["R2"])
    assert ciphers.authentication(child, first).hex() == given_["cipher1"]
    session = ciphers.session_key(child, first)
    assert session.hex() == given_["session_key"]
    recharge = given_["recharge"]
    money = recharge["amount_cents"].to_bytes(4) + recharge["count"].to_bytes(4)
    header = bytes.fromhex("8432010C0C")
    assert ciphers.mac(session, second, header, money).hex() == recharge["mac1"]
    header = bytes.fromhex("04D682240A")
    customer = bytes.fromhex(recharge["customer"])
    assert ciphers.mac(session, second, header, customer).hex() == recharge["mac2"]
    order, header = given_["control_allow_close"], bytes.fromhex("04D6880014")
    plain = bytes.fromhex(order["plain"])
    sealed = ciphers.seal_order(session, second, header, plain)
    assert sealed.hex() == order["cipher_mac"]
    assert ciphers.open_order(session, second, header, sealed) == plain


@given(st.binary(min_size=20, max_size=20), st.integers(0, 159))
def test_an_order_with_one_bit_changed_is_not_opened(key, bit):
    sealed = bytearray(ciphers.seal_order(key[:16], key[16:], b"\x04\xd6\x88\x00\x14", bytes(16)))
    sealed[bit // 8] ^= 1 << bit % 8
    assert ciphers.open_order(key[:16], key[16:], b"\x04\xd6\x88\x00\x14", bytes(sealed)) is None


def test_keys_differ_by_purpose_meter_and_version_and_show_nothing():
    master = MasterKeys({1: bytes(16), 2: bytes(range(16))})
    sets = [
        master.key_set(factor_of(number), version)
        for number in ("000000000001", "000000000002")
        for version in (1, 2)
    ]
    keys = [key for each in sets for key in each.keys.values()]
    assert len(set(keys)) == len(keys) == 4 * len(Purpose)
    shown = repr(sets) + repr(master)
    assert not any(key.hex() in shown or repr(key) in shown for key in keys)
    assert sets[0].all_formal
    assert sets[0].state_word == 0xFF
    assert not master.key_set(factor_of("000000000001"), formal=False).all_formal


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: factor_of("1"),
        lambda: factor_of("00000000000A"),
        lambda: MasterKeys({}),
        lambda: MasterKeys({1: b"short"}),
        lambda: MasterKeys({0: bytes(16)}),
        lambda: MasterKeys({1: bytes(16)}).child(Purpose.MONEY, bytes(8), 2),
        lambda: KeySet({Purpose.MONEY: bytes(16)}),
        lambda: ciphers.mac(bytes(16), b"", b"", b""),
        lambda: ciphers.session_key(bytes(16), b""),
    ],
)
def test_what_is_no_key_is_refused(wrong):
    with pytest.raises(LocalError):
        wrong()


class PowerCutError(Exception):
    pass


class CutMemory(RamMemory):
    """The power goes before step ``left``."""

    left = 1 << 30

    def program(self, offset, step):
        if not self.left:
            raise PowerCutError
        self.left -= 1
        super().program(offset, step)


@given(st.lists(st.binary(min_size=10, max_size=10), min_size=1, max_size=5), st.data())
def test_a_cut_leaves_the_old_record_or_the_new(records, data):
    memory = CutMemory(100)
    expected = None
    for record in records:
        slots = TwoSlots(memory, 4, 10)
        assert slots.read() == expected
        memory.left = data.draw(st.integers(0, 7))
        try:
            slots.write(record)
        except PowerCutError:
            memory.left = 1 << 30
            assert slots.read() in (expected, record)
        else:
            assert slots.read() == record
        expected = slots.read()


def test_a_record_has_its_length_and_the_memory_its_room():
    memory = RamMemory(40)
    slots = TwoSlots(memory, 0, 8)
    assert slots.size == 32
    assert slots.read() is None
    with pytest.raises(LocalError):
        slots.write(b"short")
    for number in range(5):
        slots.write(bytes([number]) * 8)
        assert slots.read() == bytes([number]) * 8
    assert memory.read(32, 8) == b"\xff" * 8


def test_without_the_second_slot_a_cut_tears_the_record():
    """The negative control: what the two slots are for."""
    memory, torn = CutMemory(40), 0
    slots = TwoSlots(memory, 0, 8)
    for steps in range(5):
        memory.left = 1 << 30
        slots.write(b"old-old-")
        slots.write(b"old-old-")
        found = slots._newest()
        assert found is not None
        sequence, _, newest = found
        memory.left = steps
        try:
            body = (sequence + 1).to_bytes(4) + b"new-new-"
            for place in range(0, 16, 4):  # in place, over the only whole slot
                memory.program(newest * 16 + place, (body + b"sum!")[place : place + 4])
        except PowerCutError:
            torn += slots._slot(newest) is None
    assert torn
