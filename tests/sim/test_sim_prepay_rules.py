"""Every rule of the security commands has its bit: one row a rule."""

from dataclasses import replace
from typing import Any

import pytest
from tests.sim.prepay_site import CUSTOMER, METER, OTHER_METER, Site, draw

from kwhub.domain.errors import Refusal
from kwhub.prepay.conversations import Outcome, initialise_wallet, open_account, recharge
from kwhub.prepay.keys import Purpose
from kwhub.prepay.master_crypto import ControlOrder, update_header
from kwhub.prepay.orders import open_infrared, sealed_control, update_keys, write_parameter
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.sessions import (
    ForgedAnswerError,
    SecurityRefusal,
    Target,
    end_session,
    log_in,
    read_back,
    read_status,
    retried,
    set_validity,
)
from kwhub.prepay.trip_tickets import can_open, parameter_operation, refund_operation
from kwhub.prepay.wire import requests as asked
from kwhub.prepay.wire import sealed_file, sealed_parameter
from kwhub.prepay.wire import terminal as by_terminal
from kwhub.prepay.wire.layout import Layout
from kwhub.protocols.dlt645 import Authority, ControlRelay, Key, ReadData, RelayOrder, WriteData
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.dlt645.orders import Authenticate, ClearMeter
from kwhub.sim.prepay_core import FAILURES_MAX, Profile
from kwhub.sim.prepay_store import Limits

OTHER, REPEATED, ELEMENT, IDENTITY = 1, 2, 4, 8
WRONG_CUSTOMER, COUNT, HOARDING, ADDRESS, SUSPENDED, CLOSING = 16, 32, 64, 128, 256, 512
STRANGER = bytes.fromhex("000000054321")
REMOTE = {"is_local": False}


def send(site, data: Layout, identifier=None, *, infrared=False):
    """The error word of a security command; 0 when it was obeyed."""
    name = data.IDENTIFIER if identifier is None else identifier
    request = Authenticate(site.number, name, data.payload())
    event = site.ask(request, infrared=infrared)
    if isinstance(event, Refused):
        return event.error
    assert isinstance(event, Data)
    return 0


def signed(site, session, amount=100, count=2, customer=CUSTOMER, kind=asked.Purchase):
    made = site.master.recharge(session.login, session.nonce, amount, max(count, 1), customer)
    return kind(amount, count, made.money_mac, customer, made.customer_mac)


def buying(**changes):
    """A purchase with changes, in a good session."""

    def act(site):
        session = site.run(log_in(site.master, site.target))
        kind = changes.get("kind", asked.Purchase)
        knobs = {
            key: each for key, each in changes.items() if key in ("amount", "count", "customer")
        }
        data = signed(site, session, kind=kind, **knobs)
        late = {key: each for key, each in changes.items() if key.endswith("mac")}
        return send(site, replace(data, **late))

    return act


def without_session(data):
    return lambda site: send(site, data)


def with_session(data):
    def act(site):
        site.run(log_in(site.master, site.target))
        return send(site, data)

    return act


def account(**knobs):
    return lambda site: site.store.keep(replace(site.store.account, **knobs))


def spoil_a_key(site):
    """One key becomes a test key again: whoever has the keys can do that."""
    site.run(update_keys(site.master, site.target, 2, formal=False, purposes=(Purpose.CARD,)))


def hang(site):
    for _ in range(FAILURES_MAX):
        site.unit.core.now_s = site.at_s
        site.unit.core.count_failure()


def wait(seconds):
    def act(site):
        session = site.run(log_in(site.master, site.target))
        site.at_s += seconds
        return send(site, signed(site, session))

    return act


def login(**changes):
    def act(site):
        made = site.master.login(site.target.factor)
        data = asked.AuthenticateIdentity(made.cipher, made.first_random, made.factor)
        return send(site, replace(data, **changes))

    return act


def initialising(count=0, mac=None):
    def act(site):
        session = site.run(log_in(site.master, site.target))
        macs = site.master.initialise_wallet(session.login, session.nonce, 900)
        return send(site, asked.InitialiseWallet(900, mac or macs[0], count, macs[1]))

    return act


def refunding(**changes):
    def act(site):
        session = site.run(log_in(site.master, site.target))
        amount = changes.get("amount", 100)
        ticket = site.ticket(refund_operation(amount))
        mac = site.master.refund(session.login, session.nonce, amount, ticket)
        customer = changes.get("customer", CUSTOMER)
        customer_mac = signed(site, session, customer=customer).customer_mac
        data = asked.Refund(1, 100, 1, mac, customer, customer_mac)
        return send(site, replace(data, **changes))

    return act


def compare(**changes):
    return with_session(replace(asked.CompareFirmware(1, 0, 0, 0), **changes))


def nothing(_site):
    pass


RULES = {
    # what is wrong: (how the meter is prepared, what is done, the bit)
    "no session": (nothing, without_session(asked.Purchase(1, 2, b"1234", CUSTOMER, b"1234")), IDENTITY),
    "session over": (nothing, wait(301), IDENTITY),
    "wrong cipher": (nothing, login(cipher=bytes(8)), IDENTITY),
    "factor of another meter": (nothing, login(factor=bytes(8)), IDENTITY),
    "status without session": (nothing, without_session(asked.QueryStatus()), IDENTITY),
    "end without session": (nothing, without_session(asked.EndAuthentication()), IDENTITY),
    "read-back without session": (nothing, without_session(asked.ReadBack(4, 0, 2, 0xDF01)), IDENTITY),
    "repeated": (nothing, buying(count=1), REPEATED),
    "repeated, not authentic": (nothing, buying(count=1, customer_mac=bytes(4)), ELEMENT),
    "wrong money MAC": (nothing, buying(money_mac=bytes(4)), ELEMENT),
    "wrong customer MAC": (nothing, buying(customer_mac=bytes(4)), ELEMENT),
    "another customer": (nothing, buying(customer=STRANGER), WRONG_CUSTOMER),
    "count skipped": (nothing, buying(count=3), COUNT),
    "count of the past": (account(count=1), buying(count=9), COUNT),
    "too much money": (nothing, buying(amount=99_999_999), HOARDING),
    "above the limit": (lambda site: site.store.keep_limits(Limits(0, 5_050, 0)), buying(), HOARDING),
    "suspended": (hang, buying(), SUSPENDED),
    "remote mode": (account(**REMOTE), buying(), OTHER),
    "opening in remote mode": (account(**REMOTE), buying(kind=asked.OpenAccount, count=1), OTHER),
    "a test key": (spoil_a_key, buying(), OTHER),
    "no account": (account(is_open=False), buying(), OTHER),
    "opening for a stranger": (nothing, buying(kind=asked.OpenAccount, count=1, customer=STRANGER), WRONG_CUSTOMER),
    "opening with purchase 2": (nothing, buying(kind=asked.OpenAccount, count=2), COUNT),
    "opening again": (nothing, buying(kind=asked.OpenAccount, count=1), 0),
    "wallet with formal keys": (nothing, initialising(), OTHER),
    "refund without profile": (nothing, refunding(), OTHER),
    "validity 0": (nothing, with_session(asked.SetValidity(0, b"1234")), OTHER),
    "validity MAC": (nothing, with_session(asked.SetValidity(9, b"1234")), ELEMENT),
    "validity suspended": (hang, with_session(asked.SetValidity(9, b"1234")), SUSPENDED),
    "no such processor": (nothing, compare(processor=2), ADDRESS),
    "no such address": (nothing, compare(data_address=4_033), ADDRESS),
    "no such factor": (nothing, compare(factor_address=4_090), ADDRESS),
    "comparison": (nothing, compare(), 0),
    "no such file": (nothing, with_session(asked.ReadBack(4, 0, 0x77, 0xDF01)), OTHER),
    "no such directory": (nothing, with_session(asked.ReadBack(4, 0, 2, 0x3F00)), OTHER),
    "beyond the file": (nothing, with_session(asked.ReadBack(60, 60, 2, 0xDF01)), ELEMENT),
    "wallet read back": (nothing, with_session(asked.ReadBack(8, 0, 1, 0xDF01)), 0),
    "plain write elsewhere": (nothing, with_session(asked.WriteFilePlain(2, 0x20, b"12345678", b"1234")), OTHER),
    "plain write MAC": (nothing, with_session(asked.WriteFilePlain(2, 0x10, b"1234", b"1234")), ELEMENT),
    "plain write no tariff": (nothing, with_session(asked.WriteFilePlain(3, 4, b"\xff" * 4, b"1234")), OTHER),
    "sealed write elsewhere": (nothing, with_session(asked.WriteFileSealed(8, 0, bytes(20))), OTHER),
    "sealed write MAC": (nothing, with_session(asked.WriteFileSealed(9, 0, bytes(20))), ELEMENT),
    "keys MAC": (nothing, with_session(asked.UpdateKeys((asked.KeyPackage(8, 0, 1, bytes(32)),), b"1234")), ELEMENT),
    "no such key": (nothing, with_session(asked.UpdateKeys((asked.KeyPackage(8, 9, 1, bytes(32)),), b"1234")), OTHER),
    "keys of 2009": (nothing, with_session(asked.UpdateKey2009(bytes(4), b"1234", bytes(32))), OTHER),
    "infrared on the line": (nothing, without_session(asked.RequestInfrared(bytes(8))), OTHER),
    "terminal without session": (nothing, without_session(by_terminal.SwitchMode(0, b"1234")), IDENTITY),
    "no medium": (nothing, without_session(by_terminal.TerminalLogin(bytes(8), bytes(8), b"MEDIUM01")), IDENTITY),
    "garbage": (nothing, lambda site: site.ask(Authenticate(METER, 0x0701_02FF, b"x")).error, OTHER),
    "unknown": (nothing, lambda site: site.ask(Authenticate(METER, 0x0799_02FF, b"x")).error, OTHER),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_bit(rule):
    prepare, act, bit = RULES[rule]
    site = Site(opened=5_000)
    prepare(site)
    wallet = site.element.wallet
    assert act(site) == bit
    assert site.element.wallet == wallet


def test_every_bit_of_serr_is_reached():
    """Bit 9 belongs to terminals and is reached with them (test_sim_prepay_terminal)."""
    assert {bit for _, _, bit in RULES.values()} >= {int(bit) for bit in SecurityError} - {CLOSING}


REFUNDS: dict[str, tuple[dict[str, Any], int]] = {
    "good": ({}, 0),
    "another customer": ({"customer": STRANGER}, WRONG_CUSTOMER),
    "another count": ({"count": 2}, COUNT),
    "more than there is": ({"amount": 5_001}, OTHER),
    "wrong MAC": ({"money_mac": bytes(4)}, ELEMENT),
}


@pytest.mark.parametrize("rule", REFUNDS)
def test_a_refund_has_its_rules(rule):
    changes, bit = REFUNDS[rule]
    site = Site(opened=5_000, profile=Profile(has_refund=True))
    assert refunding(**changes)(site) == bit
    assert site.balance == (4_900 if not bit else 5_000)


def test_test_keys_take_a_first_wallet_and_no_money():
    site = Site(formal=False)
    assert initialising(count=1)(site) == COUNT
    assert initialising(mac=b"1234")(site) == ELEMENT
    assert site.run(initialise_wallet(site.master, site.target, 900)).money == 900
    assert buying(kind=asked.OpenAccount, count=1)(site) == OTHER
    site.run(update_keys(site.master, site.target, 2))
    assert site.run(open_account(site.master, site.target, 100, CUSTOMER)).outcome is Outcome.DONE
    assert site.element.wallet == (1_000, 1)


def test_an_account_opens_without_money():
    site = Site()
    session = site.run(log_in(site.master, site.target))
    data = replace(signed(site, session, kind=asked.OpenAccount), amount=0, count=0)
    assert send(site, data) == 0
    assert (site.store.account.is_open, site.element.wallet) == (True, (0, 0))
    assert buying(count=1)(site) == 0


def test_failures_are_forgotten_at_midnight_by_the_meters_clock_and_not_before():
    site = Site(opened=5_000)
    hang(site)
    site.later(5 * 3_600)
    assert buying()(site) == SUSPENDED
    site.boot()
    assert buying()(site) == SUSPENDED
    site.later(3_600 + 60)
    assert buying()(site) == 0


def test_the_validity_is_kept_and_counts():
    site = Site(opened=5_000)
    site.run(set_validity(site.master, site.run(log_in(site.master, site.target)), 10))
    assert wait(599)(site) == 0
    assert wait(600)(site) == IDENTITY


def test_the_end_of_a_session_tells_the_account():
    site = Site(opened=5_000)
    session = site.run(log_in(site.master, site.target))
    ended = site.run(end_session(session))
    assert (ended.customer, ended.money, ended.count, ended.key_state) == (CUSTOMER, 5_000, 1, 255)
    assert send(site, asked.QueryStatus()) == IDENTITY


def test_other_names_of_a_command_are_answered_under_that_name():
    site = Site(opened=5_000)
    site.run(log_in(site.master, site.target))
    event = site.ask(Authenticate(METER, 0x0781_0201, b""))
    assert (event.identifier, len(event.payload)) == (0x0781_0201, 26)


def test_files_are_read_back_with_a_mac_of_the_element():
    site = Site(opened=5_000)
    site.write(0x0400_1001, bytes.fromhex("00200000"))
    session = site.run(log_in(site.master, site.target))
    assert site.run(read_back(site.master, session, 2, 0x10, 4)).hex() == "00002000"
    assert site.run(read_status(site.master, session)).customer == CUSTOMER


def test_the_firmware_is_compared_with_a_copy():
    site = Site(profile=Profile(firmware=bytes(100) + b"kwhub" * 100))
    session = site.run(log_in(site.master, site.target))
    event = site.ask(
        Authenticate(METER, 0x0780_02FF, asked.CompareFirmware(1, 0, 0, 100).payload())
    )
    code = (b"kwhub" * 100)[:64]
    assert event.payload[::-1] == site.master.compare_firmware(session.login, code)
    assert event.payload[::-1] != site.master.compare_firmware(session.login, b"x" + code[1:])


# The relay

CONTROL = {
    # what is wrong: (order, two-byte word)
    "too late": ((0x1A, 0, "260228180000"), 0x10),
    "no restore time": ((0x1D, 0, "260302180000"), 0x80),
    "no such order": ((0x77, 0, "260302180000"), 0x04),
    "no date": ((0x1A, 0, "269902180000"), 0x04),
    "no deadline": ((0x1A, 0, "999999999999"), 0),
}


def order(site, command, delay=0, deadline="999999999999", *, word=True):
    session = site.run(log_in(site.master, site.target))
    made = ControlOrder(command, delay, bytes.fromhex(deadline))
    sealed = site.sealed(session, made)
    return site.ask(sealed_control(site.target, sealed, wants_word=word))


@pytest.mark.parametrize("rule", CONTROL)
def test_orders_for_the_relay_have_their_rules(rule):
    given, bit = CONTROL[rule]
    site = Site(opened=5_000)
    event = order(site, *given)
    assert getattr(event, "error", 0) == bit
    assert site.relay_open is (not bit)


def test_the_relay_does_what_it_is_told_and_a_protected_supply_stays():
    site = Site(opened=5_000)
    assert not isinstance(order(site, 0x1D, 2), Refused)
    assert order(site, 0x1D, 2).error == 0x100  # open already
    site.later(601)
    assert not site.relay_open
    for command in (0x2A, 0x2B, 0x3A):
        assert not isinstance(order(site, command), Refused)
    assert order(site, 0x1A).error == 0x20
    assert order(site, 0x1E, 1).error == 0x60
    assert order(site, 0x1A, word=False).error == 4
    assert not isinstance(order(site, 0x3B), Refused)
    assert not isinstance(order(site, 0x1A), Refused)
    assert not isinstance(order(site, 0x1B), Refused)
    assert site.relay_open
    assert site.meter.body.push_relay_key(site.at_s)
    assert not site.relay_open


def test_orders_without_session_or_mac_are_refused():
    site = Site(opened=5_000)
    assert site.ask(sealed_control(site.target, bytes(20))).error == 8
    site.run(log_in(site.master, site.target))
    assert site.ask(sealed_control(site.target, bytes(20))).error == 2
    assert site.ask(sealed_control(site.target, bytes(19))).error == 4
    hang(site)
    assert order(site, 0x1A).error == 1
    assert not site.relay_open


@pytest.mark.parametrize("level", range(10))
def test_no_password_moves_the_relay_writes_money_or_clears(level):
    site = Site(opened=5_000)
    site.meter.press_programming_key(site.at_s)
    who = Authority(Key(level), "00000001")
    for command in (0x1A, 0x1B, 0x1C, 0x3A):
        order_ = RelayOrder(command, None).to_bytes()
        assert site.ask(ControlRelay(METER, who, order_)).error == 4
    for identifier in (0x0400_1001, 0x0405_0101, 0x0400_0401, 0x0400_010C, 0x0400_0402):
        assert site.ask(WriteData(METER, identifier, bytes(8), who)).error == 4
    assert site.ask(ClearMeter(METER, who)).error == 4
    assert not site.relay_open
    assert site.ask(WriteData(METER, 0x0400_1301, b"\x00", who)).error in (2, 4)  # not kept


def test_nobody_trips_by_broadcast():
    site = Site(opened=5_000)
    session = site.run(log_in(site.master, site.target))
    sealed = site.sealed(session, ControlOrder(0x1A))
    for address in (BROADCAST, "AAAAAAAAAAAA", "AAAAAAAAAA01"):
        site.ask(sealed_control(replace(site.target, address=address), sealed))
        assert not site.relay_open


# Parameters


def test_parameters_are_written_with_a_mac_or_enciphered_and_nothing_else():
    site = Site(opened=5_000)
    write = lambda identifier, text: site.write(identifier, bytes.fromhex(text))  # noqa: E731
    write(0x0400_1001, "00200000")
    write(0x0405_01FF, "00500000" * 4)
    write(0x0400_1003, "00100000")
    write(0x0400_1401, "0500")
    write(0x0400_010C, "00300802030226")
    for identifier, text in {0x0400_1001: "00200000", 0x0400_1003: "00100000"}.items():
        assert site.ask(ReadData(METER, identifier)).payload.hex() == text
    assert site.ask(ReadData(METER, 0x0405_01FF)).payload.hex().startswith("00500000" * 4 + "00")
    assert site.ask(ReadData(METER, 0x0400_1401)).payload.hex() == "0500"
    for identifier, text in {
        0x0400_0402: "010000000000",  # the keys are formal
        0x0400_040E: "010000000000",  # local mode
        0x0405_01FF: "0050000a",  # no digits
        0x0400_1004: "000a0000",
        0x0400_0C01: "00000000",  # a password
    }.items():
        with pytest.raises(Refusal):
            write(identifier, text)


def write_sealed(site, identifier, plain):
    session = site.run(log_in(site.master, site.target))
    header = update_header(sealed_file(identifier), 0, len(plain))
    about = int.from_bytes(plain[1:5])
    ticket = site.ticket(parameter_operation(about)) if can_open(about) else None
    sealed = site.master.seal_parameter(session.login, session.nonce, header, plain, ticket)
    who = Authority(Key(0x98), "00000001")
    return site.ask(WriteData(METER, identifier, sealed[::-1], who)).error


def test_a_sealed_parameter_must_be_the_one_of_the_frame():
    site = Site(opened=5_000)
    assert write_sealed(site, 0x0400_1003, sealed_parameter(0x0400_1004, bytes(4))) == 1
    assert write_sealed(site, 0x0400_1001, sealed_parameter(0x0400_1001, bytes(4))) == 4
    who = Authority(Key(0x98), "00000001")
    assert site.ask(WriteData(METER, 0x0400_1003, bytes(20), who)).error == 4
    assert site.ask(WriteData(METER, 0x0400_1003, bytes(19), who)).error == 1
    who = Authority(Key(0x99), "00000001")
    assert site.ask(WriteData(METER, 0x0400_1401, bytes(6), who)).error == 4
    site.run(end_session(site.run(log_in(site.master, site.target))))
    assert site.ask(WriteData(METER, 0x0400_1001, bytes(8), who)).error == 4


def test_the_meter_number_changes_while_every_key_is_a_test_key():
    site = Site(formal=False)
    value = bytes.fromhex(OTHER_METER)[::-1]
    site.run(write_parameter(site.master, site.target, 0x0400_0402, value))
    assert site.ask(ReadData(METER, 0x0400_0402)).payload == value
    with pytest.raises(SecurityRefusal):
        site.run(log_in(site.master, site.target))


# Keys and infrared


def test_keys_come_in_any_order_and_leave_a_record():
    site = Site(version=1, formal=False)
    old = Target(METER, METER, "00001234", (1,))
    site.run(update_keys(site.master, old, 2, purposes=tuple(reversed(Purpose))))
    assert site.element.key_state == 0xFF
    record = site.ask(ReadData(METER, 0x0330_1201)).payload
    assert (record[6:10][::-1].hex(), record[10]) == ("00001234", 8)
    with pytest.raises(SecurityRefusal) as refusal:
        site.run(log_in(site.master, old))
    assert refusal.value.error == SecurityError.IDENTITY
    both = replace(old, versions=(1, 2))
    assert site.run(log_in(site.master, both)).login.version == 2


def test_meters_of_2009_take_keys_one_by_one():
    site = Site(profile=Profile(is_2009=True))
    session = site.run(log_in(site.master, site.target))
    for number, low in ((Purpose.CONTROL, 1), (Purpose.PARAMETER, 2), (Purpose.CONTROL, 2)):
        info = bytes((0, 1, 1, number))
        key = site.master.key_package(session.login, session.nonce, number, 1, formal=True)
        mac = site.master.sign_keys(session.login, session.nonce, info + key)
        error = send(site, asked.UpdateKey2009(info, mac, key), 0x0702_00FF + (low << 8))
        assert error == (OTHER if (number, low) == (Purpose.CONTROL, 2) else 0)
    with pytest.raises(SecurityRefusal):
        site.run(update_keys(site.master, site.target, 1))


def test_the_infrared_port_tells_little_before_a_key_was_shown():
    site = Site(opened=5_000, watts=1_000)
    few = (0x0001_0000, 0x0090_0200, 0x0400_0101, 0x0400_0402)
    more = (0x0400_1001, 0x0201_0100, 0x0333_0101, 0x0400_040E)
    for identifier in few:
        assert isinstance(site.ask(ReadData(METER, identifier), infrared=True), Data)
    for identifier in more:
        assert site.ask(ReadData(METER, identifier), infrared=True).error == 4
    assert send(site, asked.QueryStatus(), infrared=True) == IDENTITY
    who = Authority(Key(4), "00000001")
    assert site.ask(WriteData(METER, 0x0400_1301, b"\x00", who), infrared=True).error == 4
    assert (
        site.run(open_infrared(site.master, site.target, draw("ir")), infrared=True) == b"SERIAL01"
    )
    for identifier in more:
        assert isinstance(site.ask(ReadData(METER, identifier), infrared=True), Data)
    site.at_s += 1_801
    assert site.ask(ReadData(METER, more[0]), infrared=True).error == 4
    assert send(site, asked.AuthenticateInfrared(bytes(8)), infrared=True) == IDENTITY


def test_another_meter_does_not_pass_for_this_one_at_the_infrared_port():
    site = Site(OTHER_METER)
    target = replace(site.target, number=METER)
    with pytest.raises(ForgedAnswerError):
        site.run(open_infrared(site.master, target, draw("ir")), infrared=True)


def test_conversations_tell_a_refusal_from_silence():
    site = Site(opened=5_000)
    result = site.run(recharge(site.master, site.target, 99_999_999, 2, CUSTOMER))
    assert (result.outcome, result.error) == (Outcome.REFUSED, SecurityError.HOARDING)
    assert result.account is not None
    stranger = replace(site.target, versions=(1,))
    result = site.run(recharge(site.master, stranger, 100, 2, CUSTOMER))
    assert (result.outcome, result.error) == (Outcome.REFUSED, SecurityError.IDENTITY)
    result = site.run(site.refund(1))
    assert result.error == SecurityError.OTHER
    site.target = stranger
    assert site.run(site.refund(1, 1)).error == SecurityError.IDENTITY
    site.target = replace(stranger, versions=(None,))
    site.drop = lambda _request: "request"
    with pytest.raises(TimeoutError):
        site.run(retried(site.master, site.target, end_session))
