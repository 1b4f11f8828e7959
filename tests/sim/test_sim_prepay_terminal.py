"""An interactive terminal at the meter: a medium that shares a key with one meter, played by its master."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.sim.prepay_site import CUSTOMER, METER, Site, pair_key

from kwhub.prepay import ciphers
from kwhub.prepay.element.driver import file_header
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.master_crypto import ControlOrder, update_header
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.sessions import log_in
from kwhub.prepay.tariff import TARIFF_NOW, TariffSet
from kwhub.prepay.wire import decode_answer
from kwhub.prepay.wire import requests as asked
from kwhub.prepay.wire.terminal import (
    CloseAndRestore,
    SwitchMode,
    TerminalLogin,
    TerminalPurchase,
    WriteStandbyTariff,
    WriteTariff,
)
from kwhub.protocols.dlt645.messages import Refused
from kwhub.protocols.dlt645.orders import Authenticate
from kwhub.sim.prepay_core import TERMINAL_S

SERIAL = b"MEDIUM01"
NONCE = b"\x01\x02\x03\x04"
OTHER, REPEATED, ELEMENT, IDENTITY, WRONG_CUSTOMER, COUNT, CLOSING = 1, 2, 4, 8, 16, 32, 512


@dataclass
class Medium:
    """The secure element of a medium."""

    site: Site
    serial: bytes = SERIAL
    random: bytes = b"RANDOM01"
    session: bytes = b""
    nonce: bytes = b""

    def send(self, data):
        request = Authenticate(METER, data.IDENTIFIER, data.payload())
        event = self.site.ask(request, infrared=True)
        if isinstance(event, Refused):
            return event.error
        return decode_answer(data.IDENTIFIER, event.payload)

    def log_in(self, key=None):
        pair = key or pair_key(self.site.target.factor, self.serial)
        cipher = ciphers.authentication(pair, self.random)
        told = self.send(TerminalLogin(cipher, self.random, self.serial))
        if not isinstance(told, int):
            self.session, self.nonce = ciphers.session_key(pair, self.random), told.nonce
        return told

    def mac(self, header, data):
        return ciphers.mac(self.session, self.nonce, header, data)

    def purchase(self, amount, count, card_type=2, flags=0, meter=METER, customer=CUSTOMER):
        money = amount.to_bytes(4) + count.to_bytes(4)
        file = bytearray(45)
        file[5] = flags
        file[0x10:0x14] = bytes.fromhex("00001000")
        file[0x1E:0x24] = bytes.fromhex(meter)
        file[0x24:0x2A] = customer
        content = bytes(file)
        values, ending = content[0x04:0x24], content[0x2A:]
        return TerminalPurchase(
            self.serial,
            NONCE,
            card_type,
            amount,
            count,
            self.mac(bytes.fromhex("8432010C0C"), money),
            self.mac(update_header(2, 0x24, 6), customer),
            content,
            self.mac(update_header(2, 0x04, len(values)), values),
            self.mac(update_header(2, 0x2A, len(ending)), ending),
        )

    def order(self, command, deadline="999999999999"):
        plain = ControlOrder(command, 0, bytes.fromhex(deadline)).plain
        header = bytes.fromhex("04D6880014")
        return CloseAndRestore(ciphers.seal_order(self.session, self.nonce, header, plain))


@pytest.fixture
def medium():
    made = Medium(Site(opened=5_000))
    told = made.log_in()
    assert (told.mode, told.money, told.count, told.serial) == (1, 5_000, 1, b"SERIAL01")
    return made


def test_a_medium_recharges_and_takes_signed_usage_back(medium):
    told = medium.send(medium.purchase(700, 2, flags=1))
    usage = RunInformation.from_bytes(told.run_information)
    assert (usage.money, usage.count, usage.customer) == (5_700, 2, CUSTOMER)
    site = medium.site
    header = file_header(RUN_INFORMATION, 0, 50)
    row = (site.target.factor, SERIAL, NONCE, header, told.run_information, told.mac)
    assert site.master.verify_return(*row)
    for place in range(50):
        changed = bytearray(told.run_information)
        changed[place] ^= 1
        assert not site.master.verify_return(*row[:4], bytes(changed), told.mac)
    assert medium.site.element.wallet == (5_700, 2)
    assert site.unit.core.driver.read(2, 0x10, 4).hex() == "00001000"


def test_a_medium_opens_an_account():
    site = Site()
    medium = Medium(site)
    medium.log_in()
    told = medium.send(medium.purchase(900, 1, card_type=1))
    assert RunInformation.from_bytes(told.run_information).state == 0b101
    assert site.element.wallet == (900, 1)
    medium.log_in()
    assert not isinstance(medium.send(medium.purchase(900, 1, card_type=1)), int)
    assert site.element.wallet == (900, 1)


def test_a_repeat_says_so_and_the_usage_can_still_be_read(medium):
    assert not isinstance(medium.send(medium.purchase(700, 2)), int)
    medium.log_in()
    assert medium.send(medium.purchase(700, 2)) == REPEATED
    told = medium.send(asked.ReadBack(50, 0, RUN_INFORMATION, 0xDF01))
    assert RunInformation.from_bytes(told.data).count == 2
    assert medium.site.element.wallet == (5_700, 2)


RULES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "count skipped": ({"count": 3}, {}, COUNT),
    "another customer": ({"customer": bytes(6)}, {}, WRONG_CUSTOMER),
    "another meter": ({"meter": "000000000001"}, {}, WRONG_CUSTOMER),
    "no such type": ({"card_type": 9}, {}, OTHER),
    "another medium": ({}, {"serial": b"MEDIUM02"}, IDENTITY),
    "money MAC": ({}, {"money_mac": b"1234"}, ELEMENT),
    "amount": ({}, {"amount": 70_000}, ELEMENT),
    "customer MAC": ({}, {"customer_mac": b"1234"}, ELEMENT),
    "values MAC": ({"flags": 1}, {"values_mac": b"1234"}, ELEMENT),
    "ending MAC": ({"flags": 1}, {"ending_mac": b"1234"}, ELEMENT),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_purchase_out_of_a_medium_has_its_rules(medium, rule):
    knobs, changes, bit = RULES[rule]
    data = medium.purchase(**{"amount": 700, "count": 2} | knobs)
    assert medium.send(replace(data, **changes)) == bit
    assert medium.site.element.wallet == (5_000, 1)


def test_a_medium_of_another_meter_or_without_a_key_gets_no_session():
    site = Site(opened=5_000)
    medium = Medium(site)
    assert medium.log_in(key=bytes(16)) == IDENTITY
    other = pair_key(bytes.fromhex("0000202611200002"), SERIAL)
    assert medium.log_in(key=other) == IDENTITY
    assert site.unit.core.failures.today == 2


def test_terminal_and_head_end_keep_out_of_each_others_session(medium):
    site = medium.site
    with pytest.raises(Exception, match="other error"):
        site.run(log_in(site.master, site.target))
    site.at_s += TERMINAL_S
    site.run(log_in(site.master, site.target))
    assert medium.log_in() == OTHER
    assert medium.send(medium.purchase(700, 2)) == IDENTITY


def test_a_terminal_closes_and_never_trips(medium):
    site = medium.site
    site.meter.body.relay.order(0x1A, 0, "00000001", site.at_s)
    assert medium.send(CloseAndRestore(bytes(20))) == ELEMENT
    medium.log_in()
    assert medium.send(medium.order(0x1B, "260101000000")) == CLOSING
    medium.log_in()
    assert medium.send(medium.order(0x1A)) == CLOSING
    medium.log_in()
    assert not isinstance(medium.send(medium.order(0x1B)), int)
    assert site.meter.body.push_relay_key(site.at_s)
    site.store.keep(replace(site.store.account, balance=-1))
    medium.log_in()
    assert medium.send(medium.order(0x1C)) == CLOSING


def test_after_a_warning_trip_a_purchase_lets_close_again():
    site = Site(watts=10_000, opened=1_000)
    site.price((10_000,) * 4)
    medium = Medium(site)
    medium.log_in()
    data = bytes.fromhex("00000900")
    header = update_header(2, 0x14, 4)
    assert site.element.transmit(header + data + medium.mac(header, data))[1] == 0x9000
    while not site.relay_open:
        site.later(60)
    medium.log_in()
    assert not isinstance(medium.send(medium.purchase(1, 2)), int)
    assert site.meter.body.push_relay_key(site.at_s)


def test_tariffs_come_in_parts(medium):
    raw = TariffSet((6_000, 7_000)).to_bytes()
    for file, kind in ((3, WriteTariff), (4, WriteStandbyTariff)):
        medium.log_in()
        header = update_header(file, 4, 8)
        data = raw[4:12]
        assert medium.send(kind(4, data, b"1234")) == ELEMENT
        assert medium.send(kind(4, b"\xff" * 8, b"1234")) == OTHER
        assert not isinstance(medium.send(kind(4, data, medium.mac(header, data))), int)
        assert medium.site.store.tariff(file).prices == (6_000, 7_000)
    assert medium.site.store.tariff(TARIFF_NOW).prices == (6_000, 7_000)


def test_going_remote_clears_the_wallet_and_there_is_no_way_back(medium):
    def switch(mode):
        medium.log_in()
        header = update_header(2, 0x2D, 1)
        return medium.send(SwitchMode(mode, medium.mac(header, bytes((mode,)))))

    assert medium.send(SwitchMode(0, b"1234")) == ELEMENT
    assert not isinstance(switch(0), int)
    assert medium.site.element.wallet == (0, 1)
    assert medium.site.store.account.is_local is False
    assert switch(1) == OTHER
    assert switch(2) == OTHER
