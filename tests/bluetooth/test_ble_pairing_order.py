"""Pairing goes one way: a peer that leaves out, repeats or brings forward a step gets nothing."""

import asyncio
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
from bumble import crypto
from bumble.core import ProtocolError
from bumble.hci import Address
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import (
    ErrorCode,
    SMP_Pairing_Confirm_Command,
    SMP_Pairing_Failed_Command,
    SMP_Pairing_Random_Command,
)
from bumble.smp import Session as BumbleSession
from tests.bluetooth.stations import (
    METER,
    OTHER,
    READER,
    comparing,
    idle,
    on_air,
    showing,
    station,
    told_of,
    typing,
)

from kwhub.bluetooth.pairing import Asked, Pairing, Way
from kwhub.bluetooth.stack import make_device, open_adapter
from kwhub.domain.errors import LinkDown

Io = PairingDelegate.IoCapability
COMPARES, SHOWS, NEITHER = (
    Io.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
    Io.DISPLAY_OUTPUT_ONLY,
    Io.NO_OUTPUT_NO_INPUT,
)
HONEST_DIGITS = 123_456
SILENCE = bytes(16)


@asynccontextmanager
async def stranger(air, own, session, io):
    """A plain device of the stack whose pairing is ``session``."""
    adapter = await open_adapter(air)
    device = make_device("stranger", own, bytes(range(1, 17)), adapter)
    random = PairingConfig.AddressType.RANDOM
    config = PairingConfig(delegate=PairingDelegate(io), identity_address_type=random)
    device.pairing_config_factory = lambda _connection: config
    device.smp_session_proxy = session
    await device.power_on()
    try:
        yield device
    finally:
        await device.power_off()
        await adapter.aclose()


def nobody_answers(asked):
    """Digits are compared here, but nobody has looked at them yet."""

    async def same(number):
        asked.append(number)
        await asyncio.sleep(10_000)
        return False

    return Pairing(Way.COMPARE, Asked(same=same), is_open=True)


def only_yes_to(digits):
    """Says yes when the digits are those that an honest device shows beside it."""

    async def same(number):
        if number != digits:
            await asyncio.sleep(10_000)
        return True

    return Pairing(Way.COMPARE, Asked(same=same), is_open=True)


class EncryptsUnasked(BumbleSession):
    """A master that encrypts as soon as it knows the key, before anybody has said yes."""

    def prompt_user_for_numeric_comparison(self, code, _next_steps):
        self.start_encryption(self.ltk)


class ChoosesDigits(BumbleSession):
    """A master that sends its random number again, chosen so that the digits are the honest ones."""

    has_chosen = False

    def prompt_user_for_numeric_comparison(self, code, _next_steps):
        if self.has_chosen:
            self.send_pairing_dhkey_check_command()
            return
        self.has_chosen = True
        numbers = (number.to_bytes(16, "little") for number in range(100_000_000))
        self.r = next(each for each in numbers if self.digits(each) == HONEST_DIGITS)
        self.send_pairing_random_command()

    def digits(self, random):
        return crypto.g2(self.pka, self.pkb, random, self.nb) % 1_000_000


@pytest.mark.parametrize(
    ("session", "policy"),
    [
        (EncryptsUnasked, lambda: nobody_answers([])),
        pytest.param(ChoosesDigits, lambda: only_yes_to(HONEST_DIGITS), marks=pytest.mark.slow),
    ],
)
def test_a_master_has_no_bond_without_a_yes_to_the_first_digits(session, policy):
    async def main(clock, air):
        async with (
            station(clock, air, METER, policy()) as slave,
            stranger(air, OTHER, session, COMPARES) as master,
        ):
            slave.listen(idle, profile="nus", masters_max=2)
            connection = await master.connect_le(Address(METER))
            with pytest.raises((TimeoutError, ProtocolError)):
                async with asyncio.timeout(5):
                    await connection.pair()
            await clock.sleep(1)
            assert not slave.keys.is_bonded(OTHER)
            assert not {"paired", "connected"} & set(told_of(slave))

    on_air(main)


class ChecksUnasked(BumbleSession):
    """A slave that sends its last check before the master's person has said yes."""

    def prompt_user_for_numeric_comparison(self, code, _next_steps):
        self.send_pairing_dhkey_check_command()


class CommitsTwice(BumbleSession):
    """A slave that does not know the passkey: it sees each bit of the master's, and only then commits to it."""

    step = learnt = 0
    heard = b""

    def display_or_input_passkey(self, _next_steps=None):
        """It has none."""

    def on_smp_pairing_confirm_command(self, command):
        self.heard = command.confirm_value
        self.send_command(SMP_Pairing_Confirm_Command(confirm_value=SILENCE))

    def on_smp_pairing_random_command(self, command):
        self.peer_random_value = command.random_value
        if not self.heard:
            self._next_bit()
            return
        of_bit = [self._confirmed(self.pka, self.pkb, command.random_value, bit) for bit in (0, 1)]
        bit = of_bit.index(self.heard)
        self.learnt |= bit << self.step
        self.heard, self.r = b"", crypto.r()
        again = self._confirmed(self.pkb, self.pka, self.r, bit)
        self.send_command(SMP_Pairing_Confirm_Command(confirm_value=again))

    def _next_bit(self):
        self.send_command(SMP_Pairing_Random_Command(random_value=self.r))
        self.step += 1
        if self.step < 20:
            return
        a, b = self.ia + bytes([self.iat]), self.ra + bytes([self.rat])
        mac, self.ltk = crypto.f5(self.dh_key, self.na, self.nb, a, b)
        passkey = self.learnt.to_bytes(16, "little")
        self.ea = crypto.f6(mac, self.na, self.nb, passkey, self.preq[1:4], a, b)
        self.eb = crypto.f6(mac, self.nb, self.na, passkey, self.pres[1:4], b, a)

    @staticmethod
    def _confirmed(own, other, random, bit):
        return crypto.f4(own, other, random, bytes([0x80 + bit]))


class Mirrors(BumbleSession):
    """A slave that sends the master's own public key back to it."""

    def on_smp_pairing_public_key_command(self, command):
        x, y = command.public_key_x[::-1], command.public_key_y[::-1]
        self.ecc_key = SimpleNamespace(x=x, y=y, dh=self.ecc_key.dh)
        super().on_smp_pairing_public_key_command(command)


class Asks(BumbleSession):
    """A slave that asks to pair where the master ought to ask."""

    def on_smp_pairing_request_command(self, command):
        self.send_pairing_request_command()


@pytest.mark.parametrize(
    ("session", "io", "told"),
    [
        (ChecksUnasked, COMPARES, "UNSPECIFIED_REASON"),
        (CommitsTwice, SHOWS, "UNSPECIFIED_REASON"),
        (Mirrors, SHOWS, "INVALID_PARAMETERS"),
        (Asks, COMPARES, "UNSPECIFIED_REASON"),
    ],
)
def test_a_slave_that_breaks_the_order_is_not_paired_with(session, io, told):
    async def main(clock, air):
        policy = nobody_answers([]) if io is COMPARES else typing([HONEST_DIGITS])
        async with (
            station(clock, air, READER, policy) as master,
            stranger(air, METER, session, io) as slave,
        ):
            await slave.start_advertising()
            began_s = clock.monotonic()
            with pytest.raises(LinkDown, match=told):
                await master.pair(METER)
            assert not master.keys.is_bonded(METER)
            return clock.monotonic() - began_s

    assert on_air(main) < 10  # it is over at once, not when the time for it is


class Listens(BumbleSession):
    """Sends what it is told to, and answers nothing."""

    def on_smp_command(self, command):
        """Not a word."""


async def goes_on_all_the_same(guest, key, clock):
    """Ask to pair, which is refused, and encrypt with what the key would be by then."""
    connection = await guest.connect_le(Address(METER))
    config = guest.pairing_config_factory(connection)
    session = Listens(guest.smp_manager, connection, config, is_initiator=True)
    session.send_pairing_request_command()
    await clock.sleep(0.2)
    secret = b""
    if key is not None:
        session.send_public_key_command()
        secret = session.ecc_key.dh(key.x, key.y)[::-1]
    session.r, session.peer_random_value = bytes(range(16)), SILENCE
    session.send_pairing_random_command()
    await clock.sleep(0.2)
    a, b = session.ia + bytes([session.iat]), session.ra + bytes([session.rat])
    session.start_encryption(crypto.f5(secret, session.na, session.nb, a, b)[1])
    await clock.sleep(1)


@pytest.mark.parametrize("knows_our_key", [True, False])
def test_a_pairing_that_was_refused_is_over(knows_our_key):
    """Under the address of a bonded master, while nobody may pair."""

    async def main(clock, air):
        policy = comparing([])
        async with station(clock, air, METER, policy) as slave:
            slave.listen(idle, profile="nus", masters_max=2)
            async with station(clock, air, READER, comparing([])) as master:
                await master.pair(METER)
            before, on_the_air = slave.keys.peer(READER), slave._device.smp_manager.ecc_key
            policy.is_open = False
            await clock.sleep(1)
            async with stranger(air, READER, Listens, NEITHER) as guest:
                await goes_on_all_the_same(guest, on_the_air if knows_our_key else None, clock)
                assert told_of(slave).count("connected") == 1  # the true one, at first
                assert slave.keys.peer(READER) == before

    on_air(main)


def test_who_has_failed_pairs_on_a_new_link():
    async def main(clock, air):
        shown: list[int] = []
        policy = typing(shown, wrong=True)
        async with (
            station(clock, air, METER, showing(shown)) as slave,
            station(clock, air, READER, policy) as master,
        ):
            slave.listen(idle, profile="nus", masters_max=2)
            with pytest.raises(LinkDown, match="CONFIRM_VALUE_FAILED"):
                await master.pair(METER)
            master.reception.pairing = typing(shown)
            await master.pair(METER)
            return len(shown), slave.keys.is_bonded(READER)

    assert on_air(main) == (2, True)


class GivesUp(BumbleSession):
    """A master that has checked, gives up, and encrypts all the same when a person says yes afterwards."""

    def prompt_user_for_numeric_comparison(self, code, _next_steps):
        self.send_pairing_dhkey_check_command()
        self.send_command(SMP_Pairing_Failed_Command(reason=ErrorCode.UNSPECIFIED_REASON))

    def on_smp_pairing_dhkey_check_command(self, command):
        self.start_encryption(self.ltk)


def test_a_yes_that_comes_after_the_end_admits_nobody():
    """Under the address of a bonded master, while another may pair."""

    async def main(clock, air):
        async def same(_number):
            await clock.sleep(0.3)
            return True

        async with station(clock, air, METER, comparing([])) as slave:
            slave.listen(idle, profile="nus", masters_max=2)
            async with station(clock, air, OTHER, comparing([])) as true:
                await true.pair(METER)
            await clock.sleep(1)
            before = slave.keys.peer(OTHER)
            slave.reception.pairing = Pairing(Way.COMPARE, Asked(same=same), is_open=True)
            async with stranger(air, OTHER, GivesUp, COMPARES) as master:
                connection = await master.connect_le(Address(METER))
                with suppress(TimeoutError, ProtocolError, asyncio.CancelledError):
                    async with asyncio.timeout(5):
                        await connection.pair()
                await clock.sleep(3)
            assert told_of(slave).count("connected") == 1  # the true one, at first
            assert slave.keys.peer(OTHER) == before

    on_air(main)


def test_a_link_whose_pairing_has_failed_is_ended():
    async def main(clock, air):
        async with station(clock, air, METER, comparing([], says=False)) as slave:
            slave.listen(idle, profile="nus", masters_max=2)
            async with stranger(air, OTHER, SaysYes, COMPARES) as master:
                connection = await master.connect_le(Address(METER))
                with pytest.raises(ProtocolError, match="CONFIRM_VALUE_FAILED"):
                    await connection.pair()
                await clock.sleep(2)
                return connection.handle in master.connections

    assert not on_air(main)


class SaysYes(BumbleSession):
    """A master whose person agrees to any digits."""

    def prompt_user_for_numeric_comparison(self, code, next_steps):
        next_steps()
