"""The same links, pairings and nodes over RootCanal, a controller that is not of our stack."""

import asyncio
import os
import socket
import subprocess
import time
from contextlib import AsyncExitStack, contextmanager, suppress

import pytest
from tests.bluetooth.nodes import ENERGY, VOLTAGE, address, collector, meters, node, read, slave
from tests.bluetooth.stations import METER, OTHER, READER, comparing, echo, free, idle, station
from tests.bluetooth.test_ble_pairing import (
    Attacker,
    both_compare,
    just_works,
    legacy,
    meter_shows,
    out_of_band,
    paired,
    pretended_out_of_band,
    reader_shows,
)
from tests.bluetooth.test_ble_replacement import NUMBER, number

from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.replacement import replace_device
from kwhub.bluetooth.stack import BondLost
from kwhub.bluetooth.states import NodeState
from kwhub.domain.errors import LinkDown, Refusal
from kwhub.runtime.clock import SystemClock

OPTIONS = ("test_port", "link_port", "link_ble_port")
NEEDS = ("GLIBC", "version `")
"""What the loader says when the machine's libraries are older than those that it was built with."""

MASTERS, SLAVES = 5, 20
ROUNDS = 12
"""As many as an hour has with a reading every five minutes; here one begins when the last has ended."""

ATTEMPTS = 4

pytestmark = pytest.mark.slow


def program():
    """Where RootCanal is; skips, or fails where all is required, when it cannot run."""
    required = os.environ.get("KWHUB_REQUIRE_ALL") == "1"
    leave = pytest.fail if required else pytest.skip
    try:
        from rootcanal import binaries
    except ImportError:
        leave("RootCanal is not installed")
    path = binaries.get_package_binary_resource_path("rootcanal")
    said = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stderr
    if any(all(each in line for each in NEEDS) for line in said.splitlines()):
        leave(f"RootCanal cannot run on this machine: {said.splitlines()[0]}")
    return path


def free_ports(count):
    """Ports that nobody has."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(path):
    """Gives the adapter of each device that joins."""
    hci, *others = free_ports(1 + len(OPTIONS))
    words = [f"--{name}={port}" for name, port in zip(OPTIONS, others, strict=True)]
    command = [path, f"--hci_port={hci}", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_it_takes_calls(hci)
            yield f"tcp-client:127.0.0.1:{hci}"
        finally:
            process.kill()


def _until_it_takes_calls(port, patience_s=20.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
    pytest.fail("RootCanal takes no calls")


@pytest.fixture(scope="module")
def over():
    """Runs ``main(clock, adapter)`` in real time."""
    with running(program()) as adapter:

        def play(main, patience_s=120):
            async def limited():
                async with asyncio.timeout(patience_s):
                    return await main(SystemClock(), adapter)

            return asyncio.run(limited())

        yield play


@pytest.mark.parametrize("way", [both_compare, meter_shows, reader_shows, out_of_band])
def test_each_way_of_pairing_gives_a_bond_that_serves_again(over, way):
    of_slave, of_master, _ = way()

    async def main(clock, adapter):
        async with (
            station(clock, adapter, METER, of_slave) as near,
            station(clock, adapter, READER, of_master) as master,
        ):
            near.listen(echo, profile="nus", masters_max=2)
            await master.pair(METER)
            link = await master.connect(METER)
            await link.write(b"\x68" * 300)
            got = b""
            while len(got) < 300:
                got += await link.read()
            return got, link.connection.is_encrypted, (await near.keys.get(READER)).ltk

    got, is_encrypted, key = over(main)
    assert (got, is_encrypted, key.authenticated) == (b"\x68" * 300, True, True)


@pytest.mark.parametrize("attack", [just_works, legacy, pretended_out_of_band])
def test_unauthenticated_pairing_leaves_nothing(over, attack):
    async def main(clock, adapter):
        of_slave, *_ = both_compare()
        async with station(clock, adapter, METER, of_slave) as near, Attacker(adapter) as attacker:
            near.listen(idle, profile="nus", masters_max=2)
            return await attacker.pair(attack()), near.keys.is_bonded(OTHER)

    assert over(main) == ("refused", False)


def test_who_says_no_and_a_lost_bond_are_told_apart(over):
    async def main(clock, adapter):
        shown: list[int] = []
        async with station(clock, adapter, READER, comparing(shown, says=False)) as master:
            async with station(clock, adapter, METER, comparing(shown)) as near:
                with pytest.raises(LinkDown, match="CONFIRM_VALUE_FAILED"):
                    await paired(near, master)
                master.reception.pairing = comparing(shown)
                await master.pair(METER)
                await (await master.connect(METER)).aclose()
            async with station(clock, adapter, METER, Pairing()) as stranger:
                stranger.listen(idle, profile="nus", masters_max=2)
                with pytest.raises(BondLost) as lost:
                    await master.connect(METER)
            return lost.value.address

    assert over(main) == METER


@pytest.mark.parametrize("new", [METER, OTHER])
def test_a_new_device_takes_the_place_of_the_old_only_with_its_number(over, new):
    async def main(clock, adapter):
        shown: list[int] = []
        async with station(clock, adapter, READER, comparing(shown)) as reader:
            async with station(clock, adapter, METER, comparing(shown)) as old:
                await paired(old, reader)
            async with station(clock, adapter, new, comparing(shown)) as fresh:
                fresh.listen(echo, profile="nus", masters_max=1)
                before = reader.keys.peer(METER)
                with pytest.raises(Refusal, match="not 000000000039"):
                    await replace_device(reader, METER, new, "000000000039", number)
                assert reader.keys.peer(METER) == before
                await replace_device(reader, METER, new, NUMBER.decode(), number)
                link = await reader.connect(new)
                known = reader.keys.peer(METER)
                return link.connection.is_encrypted, known.successor, bool(known.keys)

    expected = (True, None, True) if new == METER else (True, OTHER, False)
    assert over(main) == expected


def test_this_controller_looks_at_no_key_so_a_forged_one_is_tried_on_the_other(over):
    """What is not shown here: when it learns to look, this fails and `test_a_forged_key` moves in."""

    async def main(clock, adapter):
        of_slave, of_master, _ = both_compare()
        async with (
            station(clock, adapter, METER, of_slave) as slave,
            station(clock, adapter, READER, of_master) as master,
        ):
            await paired(slave, master)
            slave.listen(echo, profile="nus", masters_max=2)
            bond = await master.keys.get(METER)
            bond.ltk.value = bytes(16)
            await master.keys.update(METER, bond)
            link = await master.connect(METER)
            await link.write(b"data")
            return await link.read()

    assert over(main) == b"data"


def test_three_masters_on_one_meter_each_get_their_own_answers(over):
    async def main(clock, adapter):
        (meter,) = meters(clock, 1)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            middle = await enter(node(clock, adapter, METER, slave(masters_max=3), behind=[meter]))
            masters = [
                await enter(station(clock, adapter, address(1, n), free())) for n in range(3)
            ]
            links = [await each.connect(METER) for each in masters]
            wishes = [[ENERGY], [VOLTAGE], [ENERGY, VOLTAGE]]
            found = await asyncio.gather(
                *(
                    read(link, clock, meter.address, wish)
                    for link, wish in zip(links, wishes, strict=True)
                )
            )
            return [len(each) for each in found], all(map(all, found)), len(middle.masters)

    assert over(main) == ([1, 1, 2], True, 3)


def test_a_collector_is_slave_of_two_and_master_of_five(over):
    async def main(clock, adapter):
        behind = meters(clock, 5)
        slaves = {address(5, n): [meter.address] for n, meter in enumerate(behind)}
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            for own, meter in zip(slaves, behind, strict=True):
                await enter(node(clock, adapter, own, slave(), behind=[meter]))
            middle = await enter(node(clock, adapter, METER, collector(slaves)))
            while len(middle.ports) < len(slaves):
                await clock.sleep(0.1)
            masters = [await enter(station(clock, adapter, own, free())) for own in (READER, OTHER)]
            links = [await each.connect(METER) for each in masters]
            found = await asyncio.gather(*(_all_meters(link, clock, behind) for link in links))
            states = {view.state for view in middle.registry}
            unanswered = sum(view.unanswered for view in middle.registry)
            return found[0] == found[1], len({tuple(each) for each in found[0]}), states, unanswered

    same, different, states, unanswered = over(main)
    assert (same, different, unanswered) == (True, 5, 0)
    assert states <= {NodeState.ONLINE, NodeState.DEGRADED}  # this controller throws dice for RSSI


async def _all_meters(link, clock, behind):
    return [await read(link, clock, meter.address) for meter in behind]


def test_five_masters_read_twenty_slaves_without_loss_or_ghost(over):
    async def main(clock, adapter):
        behind = meters(clock, SLAVES)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            slaves = []
            for number, meter in enumerate(behind):
                settings = slave([meter.address], masters_max=MASTERS)
                own = address(6, number)
                slaves.append(await enter(node(clock, adapter, own, settings, behind=[meter])))
            masters = [
                await enter(station(clock, adapter, address(7, n), free())) for n in range(MASTERS)
            ]
            links = await asyncio.gather(
                *(_links(each, 4 * place) for place, each in enumerate(masters))
            )
            found = [
                sum(await asyncio.gather(*(_read_all(each, clock, behind) for each in links)))
                for _ in range(ROUNDS)
            ]
            assert all(
                sorted(each.masters) == sorted(m.address for m in masters) for each in slaves
            )
            assert all(len(master.slaves) == SLAVES for master in masters)
            asked = sum(port.asked + port.shared for each in slaves for port in each.ports)
            return found, asked

    assert over(main, 500) == ([MASTERS * SLAVES] * ROUNDS, MASTERS * SLAVES * ROUNDS)


async def _links(master, first):
    """Links to all, begun at another slave by each; who loses a race for one tries again."""
    links = {}
    for place in [*range(first, SLAVES), *range(first)]:
        for _ in range(ATTEMPTS):
            with suppress(LinkDown):
                links[place] = await master.connect(address(6, place))
                break
    return [links[place] for place in range(SLAVES)]


async def _read_all(links, clock, behind):
    done = 0
    for link, meter in zip(links, behind, strict=True):
        (raw,) = await read(link, clock, meter.address, attempts=1)
        done += bool(raw)
    return done
