"""Pairing: accepted and refused in each way, and what the stack would let pass is dropped."""

import asyncio
import fcntl
import os
import stat
import threading

import msgspec
import pytest
from bumble.att import ATT_Error
from bumble.core import UUID, ProtocolError
from bumble.device import Peer
from bumble.hci import Address, HCI_LE_Set_Random_Address_Command
from bumble.keys import PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import Session as BumbleSession
from tests.bluetooth.stations import (
    METER,
    OTHER,
    READER,
    carried,
    comparing,
    idle,
    on_air,
    showing,
    station,
    told_of,
    typing,
)

from kwhub.bluetooth.keystore import KeyFile, StoredKeys
from kwhub.bluetooth.pairing import Asked, Pairing, Way
from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.stack import BondLost, NotPaired, make_device, open_adapter
from kwhub.domain.errors import ConfigError, LinkDown


def both_compare():
    shown: list[int] = []
    return comparing(shown), comparing(shown), shown


def meter_shows():
    shown: list[int] = []
    return showing(shown), typing(shown), shown


def reader_shows():
    shown: list[int] = []
    return typing(shown), showing(shown), shown


def out_of_band():
    return (*carried(), [])


async def paired(slave, master):
    slave.listen(idle, profile="nus", masters_max=2)
    await master.pair(METER)


@pytest.mark.parametrize("way", [both_compare, meter_shows, reader_shows, out_of_band])
def test_each_way_of_pairing_gives_an_authenticated_bond_that_serves_again(way):
    of_slave, of_master, shown = way()

    async def main(clock, air):
        async with (
            station(clock, air, METER, of_slave) as slave,
            station(clock, air, READER, of_master) as master,
        ):
            await paired(slave, master)
            bonds = [await each.keys.get(peer) for each, peer in ((slave, READER), (master, METER))]
            assert all(bond.ltk.authenticated for bond in bonds)
            assert bonds[0].ltk.value == bonds[1].ltk.value
            of_slave.is_open = False  # a bond is enough from now on
            link = await master.connect(METER)
            assert link.connection.is_encrypted
            assert "paired" in told_of(slave)

    on_air(main)
    if way is both_compare:
        assert len(set(shown)) == 1
        assert len(shown) == 2


def test_who_says_no_has_no_bond():
    async def main(clock, air):
        shown: list[int] = []
        policies = comparing(shown), comparing(shown, says=False)
        async with (
            station(clock, air, METER, policies[0]) as slave,
            station(clock, air, READER, policies[1]) as master,
        ):
            with pytest.raises(LinkDown, match="CONFIRM_VALUE_FAILED"):
                await paired(slave, master)
            assert not master.keys.is_bonded(METER)
            assert not slave.keys.is_bonded(READER)
            with pytest.raises(NotPaired, match="kwhub ble pair"):
                await master.connect(METER)

    on_air(main)


def test_a_wrong_passkey_is_refused():
    async def main(clock, air):
        shown: list[int] = []
        async with (
            station(clock, air, METER, showing(shown)) as slave,
            station(clock, air, READER, typing(shown, wrong=True)) as master,
        ):
            with pytest.raises(LinkDown, match="CONFIRM_VALUE_FAILED"):
                await paired(slave, master)
            assert not slave.keys.is_bonded(READER)

    on_air(main)


@pytest.mark.parametrize("way", [meter_shows, reader_shows])
def test_six_zeros_are_a_passkey_like_any_other(way, monkeypatch):
    monkeypatch.setattr("kwhub.bluetooth.pairing.secrets.choice", min)
    of_slave, of_master, shown = way()

    async def main(clock, air):
        async with (
            station(clock, air, METER, of_slave) as slave,
            station(clock, air, READER, of_master) as master,
        ):
            await paired(slave, master)
            return slave.keys.is_bonded(READER), master.keys.is_bonded(METER), shown

    assert on_air(main) == (True, True, [0])


@pytest.mark.parametrize("number", [1_000_000, 10**40, -1])
def test_what_is_no_passkey_ends_the_pairing_at_once(number):
    async def typed():
        return number

    async def main(clock, air):
        reader = Pairing(Way.TYPE, Asked(typed=typed), is_open=True)
        async with (
            station(clock, air, METER, showing([])) as slave,
            station(clock, air, READER, reader) as master,
        ):
            with pytest.raises(LinkDown, match="no passkey was typed"):
                await paired(slave, master)
            return clock.monotonic() < 5

    assert on_air(main)


def test_nobody_pairs_while_pairing_is_not_open():
    async def main(clock, air):
        of_slave, of_master, _ = both_compare()
        of_slave.is_open = False
        async with (
            station(clock, air, METER, of_slave) as slave,
            station(clock, air, READER, of_master) as master,
        ):
            with pytest.raises(LinkDown, match="PAIRING_NOT_SUPPORTED"):
                await paired(slave, master)

    on_air(main)


class Attacker:
    """A plain device of the stack that knows no policy of ours."""

    def __init__(self, air):
        self.air = air

    async def __aenter__(self):
        self.adapter = await open_adapter(self.air)
        self.device = make_device("attacker", OTHER, bytes(range(16)), self.adapter)
        self.device.smp_session_proxy = Pretender
        await self.device.power_on()
        return self

    async def __aexit__(self, *_):
        await self.device.power_off()
        await self.adapter.aclose()

    async def pair(self, config):
        self.device.pairing_config_factory = lambda _connection: config
        self.connection = await self.device.connect_le(METER)
        try:
            async with asyncio.timeout(5):
                await self.connection.pair()
        except (ProtocolError, TimeoutError, asyncio.CancelledError):
            return "refused"
        return "paired"

    async def write(self):
        peer = Peer(self.connection)
        await peer.discover_services()
        uuid = UUID(PROFILES["nus"].service)
        service = next(each for each in peer.services if each.uuid == uuid)
        await service.discover_characteristics()
        takes = service.get_characteristics_by_uuid(UUID(PROFILES["nus"].takes))[0]
        await takes.write_value(b"68", with_response=True)


def just_works():
    return PairingConfig(mitm=False, delegate=PairingDelegate())


def legacy():
    io = PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT
    return PairingConfig(sc=False, delegate=PairingDelegate(io))


def pretended_out_of_band():
    return PairingConfig()


class Pretender(BumbleSession):
    """Claims to have out-of-band data, and has none."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.oob_data_flag = int(self.pairing_config.delegate.io_capability == 3)


@pytest.mark.parametrize("attack", [just_works, legacy, pretended_out_of_band])
@pytest.mark.parametrize("way", [both_compare, meter_shows, out_of_band])
def test_unauthenticated_pairing_leaves_nothing(attack, way):
    async def main(clock, air):
        of_slave, *_ = way()
        async with station(clock, air, METER, of_slave) as slave, Attacker(air) as attacker:
            slave.listen(idle, profile="nus", masters_max=2)
            outcome = await attacker.pair(attack())
            await clock.sleep(1)
            assert outcome != "paired"
            assert not slave.keys.is_bonded(OTHER)
            assert slave.reception.refused_writes == 0

    on_air(main)


def test_a_write_before_pairing_is_refused_and_the_place_is_given_free():
    async def main(clock, air):
        of_slave, *_ = both_compare()
        async with (
            station(clock, air, METER, of_slave, pair_s=20.0) as slave,
            Attacker(air) as attacker,
        ):
            slave.listen(idle, profile="nus", masters_max=1)
            attacker.connection = await attacker.device.connect_le(METER)
            with pytest.raises(ATT_Error, match="AUTHENTICATION"):
                await attacker.write()
            assert slave.reception.refused_writes == 1
            assert slave.reception.masters == (OTHER,)
            await clock.sleep(21)
            assert slave.reception.masters == ()
            assert told_of(slave) == ["turned_away", "ended"]

    on_air(main)


class Guest(Attacker):
    """Types the passkey that is shown, and claims to be the device that `READER` is."""

    def __init__(self, air, shown, own=OTHER, irk=bytes(range(16))):
        super().__init__(air)
        self.shown, self.own, self.irk = shown, own, irk

    async def __aenter__(self):
        await super().__aenter__()
        self.device.irk = self.irk
        self.device.random_address = Address(self.own)
        await self.device.send_command(
            HCI_LE_Set_Random_Address_Command(random_address=self.device.random_address)
        )
        self.device.static_address = Address(READER)
        return self

    async def claim(self):
        shown = self.shown

        class Typed(PairingDelegate):
            async def get_number(self):
                await asyncio.sleep(1)  # it is shown now
                return shown[-1]

        io = PairingDelegate.IoCapability.KEYBOARD_INPUT_ONLY
        own = PairingConfig.AddressType.RANDOM
        return await self.pair(PairingConfig(delegate=Typed(io), identity_address_type=own))


GUEST_IRK = bytes(range(1, 17))


def resolvable(irk):
    """An address that this key resolves."""
    return str(Address.generate_private_address(irk)).partition("/")[0]


STRANGE = {
    "another_static_address": OTHER,
    "a_resolvable_address": resolvable(bytes(16)),
    "an_address_that_its_key_resolves": resolvable(GUEST_IRK),
    "the_address_itself": READER,
}


@pytest.mark.parametrize("own", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("bonded", [True, False], ids=["bonded", "unknown"])
def test_a_key_cannot_be_stored_under_the_address_of_another(own, bonded):
    allowed = not bonded and own in (READER, STRANGE["an_address_that_its_key_resolves"])

    async def main(clock, air):
        shown: list[int] = []
        async with station(clock, air, METER, showing(shown)) as slave:
            if bonded:
                async with station(clock, air, READER, typing(shown)) as master:
                    await paired(slave, master)
            before = slave.keys.peer(READER)
            slave.listen(idle, profile="nus", masters_max=2)
            async with Guest(air, shown, own, GUEST_IRK) as guest:
                await guest.claim()
                await clock.sleep(1)
                assert len(shown) == 1 + bonded  # the passkey was right
                assert slave.keys.is_bonded(READER) is (bonded or allowed)
                assert bonded is False or slave.keys.peer(READER) == before
                assert told_of(slave).count("connected") == bonded + allowed
                assert bool(slave.reception.masters) is allowed
                assert not slave.keys.is_bonded(own) or own == READER

    on_air(main)


@pytest.mark.parametrize("bad", ["not authenticated", "of another device"])
def test_a_key_file_takes_no_bond_that_is_not_trusted(bad):
    def bond(irk, *, authenticated=True):
        key = PairingKeys.Key
        return PairingKeys(ltk=key(bytes(16), authenticated=authenticated), irk=key(irk))

    async def main(_clock, _air):
        keys = KeyFile()
        await keys.update(READER, bond(GUEST_IRK))
        known = keys.peer(READER)
        assert keys.refused == 0
        await keys.update(READER, bond(GUEST_IRK))  # the same device again
        assert keys.refused == 0
        if bad == "of another device":
            await keys.update(READER, bond(bytes(range(16))))
        else:
            await keys.update(READER, bond(GUEST_IRK, authenticated=False))
            await keys.update(OTHER, bond(GUEST_IRK, authenticated=False))
            assert not keys.is_bonded(OTHER)
        assert keys.refused == (1 if bad == "of another device" else 2)
        assert keys.peer(READER) == known

    on_air(main)


def test_a_forged_key_ends_the_link(tmp_path):
    async def main(clock, air):
        of_slave, of_master, _ = both_compare()
        async with (
            station(clock, air, METER, of_slave) as slave,
            station(clock, air, READER, of_master) as master,
        ):
            await paired(slave, master)
            bond = await master.keys.get(METER)
            bond.ltk.value = bytes(16)
            await master.keys.update(METER, bond)
            with pytest.raises(BondLost):  # it is not the device that has our key
                await master.connect(METER)
            assert "connected" not in told_of(slave)[told_of(slave).index("ended") + 1 :]
            assert slave.reception.masters == ()

    on_air(main)


def test_a_device_that_has_lost_its_bond_is_told_apart_from_one_that_is_silent():
    async def main(clock, air):
        of_slave, of_master, _ = both_compare()
        async with station(clock, air, READER, of_master) as master:
            async with station(clock, air, METER, of_slave) as slave:
                await paired(slave, master)
            async with station(clock, air, METER, Pairing()) as stranger:
                stranger.listen(idle, profile="nus", masters_max=2)
                with pytest.raises(BondLost) as raised:
                    await master.connect(METER)
                assert raised.value.address == METER
                assert "bond_lost" in told_of(master)

    on_air(main)


def test_keys_outlive_the_process_and_only_their_owner_reads_them(tmp_path):
    file = tmp_path / "keys" / "reader.json"

    async def main(clock, air):
        of_slave, of_master, _ = both_compare()
        async with station(clock, air, METER, of_slave) as slave:
            async with station(clock, air, READER, of_master, keys=file) as master:
                await paired(slave, master)
            async with station(clock, air, READER, Pairing(), keys=file) as again:
                await again.connect(METER)
                return again.keys.irk

    irk = on_air(main)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["reader.json"]
    stored = msgspec.json.decode(file.read_bytes(), type=StoredKeys)
    assert bytes.fromhex(stored.irk) == irk != bytes(16)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        KeyFile(file)
    file.chmod(0o600)
    file.write_text("{")
    with pytest.raises(ConfigError, match="pair again"):
        KeyFile(file)


def _bond(irk):
    key = PairingKeys.Key
    return PairingKeys(ltk=key(bytes(16), authenticated=True), irk=key(irk))


def test_processes_that_share_a_key_file_lose_no_bond_of_each_other(tmp_path):
    file = tmp_path / "shared.keys"

    async def main(_clock, _air):
        one, two = KeyFile(file), KeyFile(file)
        assert one.address == two.address  # the second found the file of the first
        await one.update(READER, _bond(GUEST_IRK))
        assert two.is_bonded(READER)
        await two.update(OTHER, _bond(GUEST_IRK))
        await one.update(METER, _bond(GUEST_IRK))
        await two.delete(METER)
        assert not one.is_bonded(METER)
        return [sorted(each.stored.peers) for each in (one, two, KeyFile(file))]

    assert on_air(main) == [[READER, OTHER]] * 3


def test_a_bond_is_added_after_who_holds_the_key_file_has_done(tmp_path):
    file = tmp_path / "shared.keys"
    keys, held = KeyFile(file), os.open(file, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    adding = threading.Thread(target=lambda: asyncio.run(keys.update(READER, _bond(GUEST_IRK))))
    adding.start()
    try:
        adding.join(0.05)
        assert not msgspec.json.decode(file.read_bytes(), type=StoredKeys).peers
    finally:
        os.close(held)
        adding.join()
    assert list(KeyFile(file).stored.peers) == [READER]
