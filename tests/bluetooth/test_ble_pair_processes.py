"""``kwhub ble pair`` and ``kwhub ble simulate`` as two processes, with a person at each."""

import json
import os
import signal

import pytest
from tests.bluetooth.processes import forking, open_air

pytestmark = pytest.mark.slow

METER = "F0:00:00:00:00:01"


@pytest.fixture(scope="module")
def start():
    with forking() as started:
        yield started


@pytest.fixture
def air():
    with open_air() as adapter:
        yield adapter


@pytest.fixture
def persons(start, air, tmp_path):
    """A meter of one way, and a reader that pairs with it."""

    def begin(way, number=1):
        words = ("--adapter", air, "--first", str(number), "--pairing", way)
        return start("ble", "simulate", *words, "--json")

    def pair(way, number=1, *more):
        own = ("--adapter", air, "--keys", str(tmp_path / "reader.keys"))
        address = f"F0:00:00:00:00:{number:02X}"
        return start("ble", "pair", address, *own, "--way", way, "--json", *more)

    def read(number=1):
        own = ("--adapter", air, "--keys", str(tmp_path / "reader.keys"))
        address = f"F0:00:00:00:00:{number:02X}"
        asked = start("ble", "read", address, *own, "--register", "1-0:1.8.0", "--json")
        told, code = asked.rest()
        return code, told or asked.complaint()

    return begin, pair, read


def digits(text):
    (found,) = [word.strip(".") for word in text.split() if word.strip(".").isdigit()]
    return found


def test_both_compare_six_digits_and_one_no_is_enough(persons):
    begin, pair, read = persons
    meter = begin("compare")
    meter.line()
    for of_reader, of_meter in (("n", "y"), ("y", "n"), ("y", "y")):
        reader = pair("compare")
        assert digits(reader.asks("? [y/N]")) == digits(meter.asks("? [y/N]"))
        if of_reader == "n":  # the meter's question ends without an answer
            reader.type("n")
            meter.asks("is over")
            meter.type(of_meter)
        else:
            reader.type(of_reader)
            meter.type(of_meter)
        told, code = reader.rest()
        wanted = (0, True) if of_reader == of_meter else (3, False)
        assert (code, "paired" in told) == wanted, told or reader.complaint()
        found = read()
        assert found[0] == code, found


def test_the_reader_types_what_the_meter_shows_and_a_wrong_passkey_is_refused(persons):
    begin, pair, read = persons
    meter = begin("show")
    meter.line()
    for off, code in ((1, 3), (0, 0)):
        reader = pair("type")
        shown = int(meter.line()["passkey"])
        reader.asks("shows:")
        reader.type(f"{(shown + off) % 1_000_000:06d}")
        assert reader.rest()[1] == code
        found = read()
        assert found[0] == code, found


def test_the_meter_is_typed_what_the_reader_shows_and_a_wrong_passkey_is_refused(persons):
    begin, pair, read = persons
    meter = begin("type")
    meter.line()
    for off, code in ((1, 3), (0, 0)):
        reader = pair("show")
        shown = int(digits(reader.asks("\n")))
        meter.asks("shows:")
        meter.type(f"{(shown + off) % 1_000_000:06d}")
        assert reader.rest()[1] == code
        found = read()
        assert found[0] == code, found


@pytest.mark.parametrize("forged", [True, False])
def test_data_are_carried_out_of_band_and_forged_ones_are_refused(persons, forged):
    begin, pair, read = persons
    meter, reader = begin("oob"), pair("oob")
    of_meter, of_reader = (each.asks("\n").split()[-1] for each in (meter, reader))
    meter.asks("other side:")
    reader.asks("other side:")
    meter.type(of_reader)
    meter.line()
    reader.type(of_meter if not forged else "00" * 32)
    assert reader.rest()[1] == (3 if forged else 0)
    found = read()
    assert found[0] == (3 if forged else 0), found


def test_a_new_meter_takes_the_place_of_the_old_only_with_the_number_that_was_given(
    persons, tmp_path
):
    begin, pair, read = persons
    old, new = begin("show"), begin("show", 2)
    number = old.line()["meters"][0]["meter"]
    other = new.line()["meters"][0]["meter"]
    _paired(old, pair("type"))
    for given, code in ((number, 1), (other, 0)):
        reader = pair("type", 2, "--replace", METER, "--meter", given)
        assert _paired(new, reader)[1] == code
        assert read(2)[0] == (0 if code == 0 else 3)
        assert read(1)[0] == (0 if code else 3)
    peers = json.loads((tmp_path / "reader.keys").read_text())["peers"]
    assert peers[METER]["successor"] == "F0:00:00:00:00:02"
    assert peers[METER]["keys"] == {}


def _paired(meter, reader):
    shown = meter.line()["passkey"]
    reader.asks("shows:")
    reader.type(shown)
    return reader.rest()


def test_masters_pair_with_a_node_only_while_somebody_sits_at_it(start, air, tmp_path):
    file = tmp_path / "node.toml"
    file.write_text(f'adapter = "{air}"\nkeys = "node.keys"\n[node]\nrole = "slave"\n')
    own = ("--adapter", air, "--keys", str(tmp_path / "reader.keys"))
    for more, code in (((), 3), (("--pairing", "show"), 0)):
        node = start("ble", "nodes", str(file), *more)
        address = _address(tmp_path / "node.keys")
        reader = start("ble", "pair", address, *own, "--way", "type")
        if more:
            shown = digits(node.asks("\n"))
            reader.asks("shows:")
            reader.type(shown)
        assert reader.rest()[1] == code
        node.kill()


def _address(file):
    import time

    until = time.monotonic() + 60
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return json.loads(file.read_text())["address"]


def test_who_stops_a_pairing_with_ctrl_c_is_told_that_nothing_was_paired(persons):
    begin, pair, _ = persons
    meter = begin("show")
    meter.line()
    reader = pair("type")
    reader.asks("shows: ")
    os.kill(reader.number, signal.SIGINT)
    assert reader.rest()[1] == 1
    told = reader.complaint()
    assert "stopped: F0:00:00:00:00:01 was not paired" in told
    assert "the other side is gone" not in told
