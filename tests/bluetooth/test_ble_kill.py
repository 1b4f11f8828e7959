"""kill -9 of slave, collector and master: noticed in time, back without a person, no reading twice."""

import json
import os
import select
import time
import tty
from collections import Counter
from contextlib import closing
from itertools import product

import pytest
from tests.bluetooth.processes import forking, open_air

from kwhub.bluetooth.keystore import KeyFile
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.receiver import Received, Receiver

NOTICED_S = 8.0
"""Supervision 2 s and 1 s without a link; the rest is a busy machine."""

SUPERVISION_S = 2.0
BACK_S = 60.0
SLAVES = ("F0:00:00:00:00:01", "F0:00:00:00:00:02")

NODE = """
adapter = "{adapter}"
keys = "{name}.keys"
unsecured = {unsecured}
serial = "pty:"
[node]
role = "{role}"
heartbeat_s = 1.0
answer_s = 1.0
gone_s = 1.0
slaves = [{slaves}]
"""


class Asker:
    """Foreign software at the serial face of the master: no two of its questions are the same."""

    def __init__(self, meters):
        self._fresh = {
            meter: iter(product((1, 2), range(5), range(13)))  # quantity, tariff, settlement
            for meter in meters
        }
        self.asked: list[tuple[str, bytes]] = []
        self.answers: Counter[tuple[str, bytes]] = Counter()
        self.port = -1
        self._receiver = Receiver()

    def sits_at(self, path):
        """Open a face, after the one before has gone with its process."""
        self.close()
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.port)
        self._receiver = Receiver()

    def close(self):
        if self.port >= 0:
            os.close(self.port)
        self.port = -1

    def ask(self, meter, patience_s=2.0):
        """Whether a question of its own is answered in time."""
        quantity, tariff, settlement = next(self._fresh[meter])
        question = (meter, bytes([settlement, tariff, quantity, 0]))
        self.asked.append(question)
        os.write(self.port, Frame645(meter, 0x11, question[1]).to_bytes())
        until = time.monotonic() + patience_s
        while question not in self.answers and (left := until - time.monotonic()) > 0:
            self.listen(left)
        return question in self.answers

    def listen(self, seconds):
        """Take what comes."""
        if not select.select([self.port], [], [], seconds)[0]:
            return
        for each in self._receiver.feed(os.read(self.port, 4_096)):
            assert isinstance(each, Received)
            self.answers[each.frame.address, each.frame.data[:4]] += 1

    def ask_until_answered(self, meter):
        began = time.monotonic()
        while not self.ask(meter):
            assert time.monotonic() - began < BACK_S


class World:
    """Two slaves, a collector and a master, each a process; their bonds are in files, if they have any."""

    def __init__(self, start, adapter, folder, *, is_paired):
        self.start, self.adapter, self.folder, self.is_paired = start, adapter, folder, is_paired
        self.collector = KeyFile(folder / "collector.keys").address
        self._describe("collector", "both", SLAVES)
        self._describe("master", "master", [self.collector])
        self.running = {}
        self.faces = {}
        self.meters = [self.begin_slave(place) for place in (1, 2)]
        if is_paired:
            self._pair()
        self.begin("collector")
        self.begin("master")

    def _describe(self, name, role, slaves):
        rows = ", ".join(f'{{ address = "{each}" }}' for each in slaves)
        unsecured = "false" if self.is_paired else "true"
        text = NODE.format(
            adapter=self.adapter, name=name, role=role, slaves=rows, unsecured=unsecured
        )
        (self.folder / f"{name}.toml").write_text(text)

    def _pair(self):
        """Somebody types at one what the other shows; from then on nobody is asked any more."""
        for place, slave in enumerate(SLAVES, 1):
            reader = self._pairing("collector", slave)
            self._typed(reader, self.running[place].line()["passkey"])
        middle = self.start(
            "ble", "nodes", str(self.folder / "collector.toml"), "--pairing", "show"
        )
        middle.said("\n")
        reader = self._pairing("master", self.collector)
        shown = middle.asks("\n")
        self._typed(reader, shown.split()[-1])
        middle.kill()

    def _pairing(self, name, address):
        keys = str(self.folder / f"{name}.keys")
        own = ("--adapter", self.adapter, "--keys", keys)
        return self.start("ble", "pair", address, *own, "--way", "type")

    def _typed(self, reader, passkey):
        reader.asks("shows:")
        reader.type(passkey)
        told, code = reader.rest()
        assert code == 0, told + reader.complaint()

    def begin_slave(self, place):
        words = ["--adapter", self.adapter, "--first", str(place), "--json"]
        keys = str(self.folder / f"slave-{place}.keys")
        words += ["--pairing", "show", "--keys", keys] if self.is_paired else ["--pairing", "none"]
        self.running[place] = made = self.start("ble", "simulate", *words)
        return made.line()["meters"][0]["meter"]

    def begin(self, name):
        made = self.start("ble", "nodes", str(self.folder / f"{name}.toml"), "--json")
        self.running[name] = made
        self.faces[name] = made.line()["serial"]

    def told(self, name, state, address=None):
        """Seconds until a node has told that somebody below is in a state."""
        began = time.monotonic()
        while True:
            change = self.running[name].line()
            if change["state"] == state and address in (None, change["address"]):
                return time.monotonic() - began

    def masters_of_collector(self):
        """What the collector says of those above it, by AT+LINKNUM?."""
        port = os.open(self.faces["collector"], os.O_RDWR | os.O_NOCTTY)
        try:
            tty.setraw(port)
            os.write(port, b"AT+LINKNUM?\r\n")
            heard = b""
            while b"+OK" not in heard:
                assert select.select([port], [], [], 20)[0], heard
                heard += os.read(port, 4_096)
            return (
                heard.count(b"UP,F")
                + heard.count(b"UP,C")
                + heard.count(b"UP,D")
                + heard.count(b"UP,E")
            )
        finally:
            os.close(port)

    def until_masters_are(self, count):
        began = time.monotonic()
        while self.masters_of_collector() != count:
            assert time.monotonic() - began < BACK_S
            time.sleep(0.1)
        return time.monotonic() - began


def _slave_is_killed(world, asker):
    first, second = world.meters
    world.running[1].kill()
    noticed_s = world.told("collector", "silent", SLAVES[0])
    before = [meter for meter, _ in asker.answers]
    assert not asker.ask(first)
    assert asker.ask(second)  # nobody else is disturbed
    after = [meter for meter, _ in asker.answers]
    assert after.count(first) == before.count(first)
    assert after.count(second) > before.count(second)
    world.begin_slave(1)
    world.told("collector", "online", SLAVES[0])
    return noticed_s


def _collector_is_killed(world, asker):
    world.running["collector"].kill()
    noticed_s = world.told("master", "silent")
    assert not asker.ask(world.meters[1])
    world.begin("collector")
    world.told("master", "online")
    return noticed_s


def _master_is_killed(world, asker):
    assert world.masters_of_collector() == 1
    world.running["master"].kill()
    noticed_s = world.until_masters_are(0)
    world.begin("master")
    asker.sits_at(world.faces["master"])
    world.until_masters_are(1)
    return noticed_s


def _master_is_back_at_once(world, asker):
    """Before the collector has given up the link with it."""
    world.running["master"].kill()
    world.begin("master")
    asker.sits_at(world.faces["master"])
    asker.ask_until_answered(world.meters[0])
    _stays(world, asker)
    return 0.0


def _collector_is_back_at_once(world, asker):
    world.running["collector"].kill()
    world.begin("collector")
    asker.ask_until_answered(world.meters[1])
    _stays(world, asker)
    return 0.0


def _slave_is_back_at_once(world, asker):
    world.running[1].kill()
    world.begin_slave(1)
    asker.ask_until_answered(world.meters[0])
    _stays(world, asker)
    return 0.0


def _stays(world, asker):
    """What was made anew still is there when the link before would have been given up."""
    until = time.monotonic() + 2 * SUPERVISION_S
    while time.monotonic() < until:
        assert asker.ask(world.meters[1])
        asker.listen(0.3)
    assert world.masters_of_collector() == 1


KILLS = (
    None,
    _slave_is_killed,
    _collector_is_killed,
    _master_is_killed,
    _slave_is_back_at_once,
    _collector_is_back_at_once,
    _master_is_back_at_once,
)


@pytest.mark.slow
@pytest.mark.parametrize("is_paired", [True, False], ids=["paired", "unpaired"])
def test_kill_9_of_slave_collector_and_master(tmp_path, is_paired):
    noticed = {}
    with forking() as start, open_air() as adapter:
        world = World(start, adapter, tmp_path, is_paired=is_paired)
        with closing(Asker(world.meters)) as asker:
            asker.sits_at(world.faces["master"])
            for kill in KILLS:
                if kill is not None:
                    noticed[kill.__name__] = kill(world, asker)
                for meter in world.meters:
                    asker.ask_until_answered(meter)
            asker.listen(2.0)  # whatever is late
    assert len(asker.answers) >= 2 * len(KILLS)
    assert set(asker.answers) <= set(asker.asked)
    assert set(asker.answers.values()) == {1}
    assert max(noticed.values()) < NOTICED_S, json.dumps(noticed)
