"""The software element and the master crypto, one against the other, and against an attacker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.prepay.element.files import CUSTOMER_OFFSET, FILES, PARAMETERS
from kwhub.prepay.element.interface import Status
from kwhub.prepay.element.software import MEMORY_BYTES, SoftwareElement
from kwhub.prepay.keys import MasterKeys, Purpose, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.master_crypto import ControlOrder, update_header
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.trip_tickets import TicketGate, TicketPress, TripTicket, refund_operation
from kwhub.runtime.chance import seeded

METER = "202611200001"
CUSTOMER = bytes.fromhex("000000012345")
KEYS = MasterKeys({1: bytes(range(16)), 2: bytes(range(16, 32))})
PRESS = TicketPress()
PERSONALISED: list[bytes] = []


class PowerCutError(Exception):
    pass


class CutMemory(RamMemory):
    left = 1 << 30

    def program(self, offset, step):
        if not self.left:
            raise PowerCutError
        self.left -= 1
        super().program(offset, step)


def draw(*names):
    return seeded(7, *names).randbytes


def fresh():
    if not PERSONALISED:
        memory = RamMemory(MEMORY_BYTES)
        keys = KEYS.key_set(factor_of(METER), 1)
        SoftwareElement(memory, draw("made")).personalise(b"SERIAL01", bytes.fromhex(METER), keys)
        PERSONALISED.append(bytes(memory.content))
    memory = CutMemory(MEMORY_BYTES, PERSONALISED[0])
    return memory, SoftwareElement(memory, draw("element"))


@pytest.fixture
def element():
    return fresh()[1]


@pytest.fixture
def master():
    return SoftwareMaster(KEYS, draw("master"), TicketGate(PRESS.public, lambda: 0))


def send(element, text, data=b""):
    return element.transmit(bytes.fromhex(text) + data)


def log_in(element, master, version=1):
    login = master.login(factor_of(METER), version)
    assert send(element, "80FA000308", login.factor)[1] == Status.OK
    assert send(element, "80FA000008", login.first_random)[1] == 0x6108
    answer, status = send(element, "00C0000008")
    assert status == Status.OK
    nonce, status = send(element, "0084000004")
    assert status == Status.OK
    return login, nonce, answer == login.cipher


def credit(element, purchase):
    header = update_header(PARAMETERS, CUSTOMER_OFFSET, 6)
    element.transmit(header + purchase.customer + purchase.customer_mac)
    money = purchase.amount.to_bytes(4) + purchase.count.to_bytes(4)
    return send(element, "8432010C0C", money + purchase.money_mac)[1]


def test_the_element_knows_the_master_and_only_it(element, master):
    assert log_in(element, master)[2]
    stranger = SoftwareMaster(MasterKeys({1: bytes(16)}), draw("stranger"))
    assert not log_in(element, stranger)[2]


def test_a_factor_of_another_meter_is_refused(element, master):
    other = master.login(factor_of("000000000009"), 1)
    assert send(element, "80FA000308", other.factor)[1] == Status.WRONG_DATA
    assert send(element, "80FA000008", other.first_random)[1] == Status.CONDITIONS


def test_a_purchase_credits_once(element, master):
    login, nonce, _ = log_in(element, master)
    purchase = master.recharge(login, nonce, 5_000, 1, CUSTOMER)
    assert credit(element, purchase) == Status.OK
    assert element.wallet == (5_000, 1)
    assert credit(element, purchase) == Status.CONDITIONS  # the random is used up
    content, _ = send(element, "00B0822406")
    assert content == CUSTOMER
    login, nonce, _ = log_in(element, master)
    assert credit(element, purchase) == Status.WRONG_MAC  # another session
    again = master.recharge(login, nonce, 5_000, 1, CUSTOMER)
    assert credit(element, again) == Status.CONDITIONS  # the count does not follow
    assert element.wallet == (5_000, 1)


@pytest.mark.parametrize("field", ["amount", "count", "mac"])
def test_a_purchase_that_was_changed_is_refused(element, master, field):
    login, nonce, _ = log_in(element, master)
    purchase = master.recharge(login, nonce, 5_000, 1, CUSTOMER)
    amount = purchase.amount + (field == "amount")
    count = purchase.count + (field == "count")
    signature = bytes(4) if field == "mac" else purchase.money_mac
    data = amount.to_bytes(4) + count.to_bytes(4) + signature
    assert send(element, "8432010C0C", data)[1] == Status.WRONG_MAC
    assert element.wallet == (0, 0)


@pytest.mark.parametrize(("amount", "count"), [(0, 1), (1, 0), (1 << 32, 1)])
def test_the_master_signs_no_nonsense(element, master, amount, count):
    login, nonce, _ = log_in(element, master)
    with pytest.raises(LocalError):
        master.recharge(login, nonce, amount, count, CUSTOMER)
    with pytest.raises(LocalError):
        master.mac(login, nonce, Purpose.MONEY, b"", b"")


def test_an_order_is_opened_once(element, master):
    login, nonce, _ = log_in(element, master)
    sealed = master.control(login, nonce, ControlOrder(0x1B))
    assert send(element, "04D6880014", sealed)[1] == Status.OK
    plain, _ = send(element, "00B0880008")
    assert plain == b"\x1b\x00" + b"\x99" * 6
    assert send(element, "04D6880014", sealed)[1] == Status.CONDITIONS


def test_consumption_refund_and_initialisation(element, master):
    login, nonce, _ = log_in(element, master)
    money_mac, count_mac = master.initialise_wallet(login, nonce, 1_000)
    assert send(element, "04DC010C08", (1_000).to_bytes(4) + money_mac)[1] == Status.OK
    assert send(element, "04DC030C08", bytes(4) + count_mac)[1] == Status.OK
    assert send(element, "8030001404", (300).to_bytes(4))[1] == Status.OK
    assert send(element, "8030001404", (800).to_bytes(4))[1] == Status.CONDITIONS
    ticket = PRESS.signed(TripTicket(1, METER, refund_operation(200), b"", 1))
    refund = master.refund(login, nonce, 200, ticket)
    assert send(element, "8430020C08", (200).to_bytes(4) + refund)[1] == Status.OK
    assert element.wallet == (500, 0)
    assert send(element, "00B2010C04") == ((500).to_bytes(4), Status.OK)


def test_what_is_read_back_is_signed(element, master):
    login, nonce, _ = log_in(element, master)
    credit(element, master.recharge(login, nonce, 5_000, 1, CUSTOMER))
    header = bytes.fromhex("04D68200") + bytes([4 + 4 + 8])
    request = login.first_random[-4:] + header + login.factor
    answer, status = send(element, "04B2010C11", request)
    assert status == Status.OK
    assert master.verify_read_back(login, header, answer[:4], answer[4:])
    assert not master.verify_read_back(login, header, b"\xff" + answer[1:4], answer[4:])
    header = bytes.fromhex("04D68700") + bytes([16 + 4 + 8])
    answer, _ = send(element, "04B0870011", login.first_random[-4:] + header + login.factor)
    assert master.verify_read_back(login, header, answer[:16], answer[16:])


def test_every_key_can_be_replaced_while_both_versions_are_known(element, master):
    login, nonce, _ = log_in(element, master)
    order = [*(each for each in Purpose if each is not Purpose.KEY_UPDATE), Purpose.KEY_UPDATE]
    for purpose in order:
        package = master.key_package(login, nonce, purpose, 2, formal=True)
        changed = bytes([package[0] ^ 1]) + package[1:]
        assert send(element, "84D401FF20", changed)[1] == Status.WRONG_MAC
        assert send(element, "84D401FF20", package)[1] == Status.OK
    assert not log_in(element, master, version=1)[2]
    assert log_in(element, master, version=2)[2]
    assert element.key_state == 0xFF


def test_the_infrared_port_opens_for_its_key(element, master):
    challenge, _ = send(element, "0084000008")
    good = master.answer_infrared(factor_of(METER), challenge)
    assert send(element, "0082000808", good)[1] == Status.WRONG_MAC  # version 2 is the newest
    old = SoftwareMaster(MasterKeys({1: bytes(range(16))}), draw("old"))
    challenge, _ = send(element, "0084000008")
    good = old.answer_infrared(factor_of(METER), challenge)
    assert send(element, "0082000808", good)[1] == Status.OK
    assert send(element, "0082000808", good)[1] == Status.CONDITIONS


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        ("", Status.WRONG_LENGTH),
        ("00B08200", Status.WRONG_LENGTH),
        ("00B082000401", Status.WRONG_LENGTH),
        ("00FF000000", Status.UNKNOWN_INSTRUCTION),
        ("77B0820004", Status.UNKNOWN_CLASS),
        ("00B0FF0004", Status.NO_SUCH_FILE),
        ("00B082FF04", Status.WRONG_PLACE),
        ("00B2070C04", Status.NO_SUCH_RECORD),
        ("00D682000400000000", Status.NOT_SUPPORTED),
        ("84D401FF20" + "00" * 32, Status.CONDITIONS),
        ("00C0000008", Status.CONDITIONS),
        ("0084000005", Status.WRONG_LENGTH),
    ],
)
def test_what_is_wrong_has_its_status(element, apdu, status):
    assert element.transmit(bytes.fromhex(apdu)) == (b"", status)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_get_a_status_and_no_money(apdus):
    _, element = fresh()
    for apdu in apdus:
        data, status = element.transmit(apdu)
        assert isinstance(data, bytes)
        assert 0x6000 <= status <= 0x9FFF
    assert element.wallet == (0, 0)
    assert len(element.reset()) == 13


def test_a_cut_at_any_step_of_a_purchase_loses_and_doubles_nothing():
    cut = True
    for steps in range(70):
        memory, element = fresh()
        master = SoftwareMaster(KEYS, draw("master", steps))
        login, nonce, _ = log_in(element, master)
        purchase = master.recharge(login, nonce, 5_000, 1, CUSTOMER)
        memory.left = steps
        cut = False
        try:
            assert credit(element, purchase) == Status.OK
        except PowerCutError:
            cut = True
        memory.left = 1 << 30
        element = SoftwareElement(memory, draw("again", steps))
        assert element.wallet in ((0, 0), (5_000, 1))
        login, nonce, _ = log_in(element, master)
        again = credit(element, master.recharge(login, nonce, 5_000, 1, CUSTOMER))
        assert again in {Status.OK, Status.CONDITIONS}
        assert element.wallet == (5_000, 1)
    assert not cut  # the last run had power enough: every step of the others was a cut


def test_a_medium_shares_a_key_with_one_meter(element):
    assert send(element, "0083010210", b"MEDIUM01" + b"12345678")[1] == 0x6110
    answer, _ = send(element, "00C0000010")
    assert len(answer) == 16


def test_every_file_fits_the_memory():
    assert {0x02, 0x07, 0x08} <= set(FILES)
    memory, element = fresh()
    assert element.reset()[4:12] == b"SERIAL01"
    assert memory.read(MEMORY_BYTES - 64, 64) == b"\xff" * 64
