"""Simulated meters of makers who do it their way: both ends with the same quirk, and with unlike ones."""

from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NO_SUCH_DATA, NOW, OTHER, RATE_FIXED, Line, made

from kwhub.catalog.quirks import deviations_named, quirks
from kwhub.domain.errors import LocalError
from kwhub.exchange.ports import change_rate
from kwhub.protocols.dlt645 import ChangeRate, Data, Edition, ReadData, Refused, Role, Session
from kwhub.protocols.dlt645.deviations import Deviations
from kwhub.protocols.dlt645.frames import PREAMBLE, parse
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.orders import Authenticate
from kwhub.sim.bus import MeterBus
from kwhub.testing import Pair

ANY = "AAAAAAAAAAAA"
ENERGY = 0x0001_0000
BLOCK_1997 = 0x901F
NAMES = sorted(quirks())
BCD_WORDS = "baud-word-bcd"


class Ear:
    """What was said on the wire to the master."""

    def __init__(self):
        self.said = []

    def __call__(self, raw):
        self.said.append(raw)
        return raw


class Quirky(Line):
    """A master that believes in some quirks, a meter that has others, and what it said on the wire."""

    def __init__(self, believed, has, **knobs):
        super().__init__(made(deviations=deviations_named(has), **knobs))
        ear = Ear()
        self.said = ear.said
        self.pair = Pair(
            Session(Role.MASTER, deviations=deviations_named(believed)),
            MeterBus(self.meters, epoch_s=NOW),
            to_asker=ear,
        )


@pytest.mark.parametrize("has", [[], *([name] for name in NAMES)], ids=str)
@pytest.mark.parametrize("believed", [[], *([name] for name in NAMES)], ids=str)
def test_a_meter_is_read_whatever_the_master_believes_of_it(believed, has):
    line = Quirky(believed, has)
    standard = Line(made()).ask(ReadData(ADDRESS, ENERGY)).payload
    for address in (ADDRESS, ANY):
        answer = line.ask(ReadData(address, ENERGY))
        assert isinstance(answer, Data)
        assert answer.payload == standard
    assert parse(line.said[-1]).address == (ANY if "wildcard-left" in has else ADDRESS)
    assert line.read_error(0x0001_3F00) == NO_SUCH_DATA
    for raw in line.said:
        wake_ups = len(raw) - len(raw.lstrip(bytes([PREAMBLE])))
        assert wake_ups == (4 if "wake-up-before-answers" in has else 0)


@pytest.mark.parametrize("has", [[], ["block-end-aa"]], ids=str)
@pytest.mark.parametrize("believed", [[], ["block-end-aa"]], ids=str)
def test_a_block_of_1997_is_read_with_and_without_its_end(believed, has):
    line = Quirky(believed, has, edition=Edition.E1997)
    answer = line.ask(ReadData(ADDRESS, BLOCK_1997, edition=Edition.E1997))
    values = decode(BLOCK_1997, answer.payload, Edition.E1997)
    total, *tariffs = [Decimal(value.value or 0) for value in values]
    assert total == sum(tariffs) > 0
    assert parse(line.said[-1]).data.endswith(b"\xaa") is bool(has)


@pytest.mark.parametrize("has", [[], ["security-error-one-byte"]], ids=str)
@pytest.mark.parametrize("believed", [[], ["security-error-one-byte"]], ids=str)
def test_a_refusal_of_security_of_either_size(believed, has):
    line = Quirky(believed, has)
    answer = line.ask(Authenticate(ADDRESS, 0x0700_00FF, bytes(24)))
    assert isinstance(answer, Refused)
    assert answer.error == 4  # the check of the secure element failed
    assert len(parse(line.said[-1]).data) == (1 if has else 2)


@pytest.mark.parametrize("baud", [600, 1200, 2400, 4800, 9600, 19200])
@pytest.mark.parametrize("has", [[], [BCD_WORDS]], ids=str)
@pytest.mark.parametrize("believed", [[], [BCD_WORDS]], ids=str)
def test_a_speed_is_changed_in_the_words_of_the_maker_or_refused(believed, has, baud):
    line = Quirky(believed, has)
    conversation = change_rate(ADDRESS, baud, deviations_named(believed))
    answer = line.ask(next(conversation))
    conversation.close()
    if believed == has or baud <= 2400:
        assert not isinstance(answer, Refused)
        assert line.meter.baud == baud
    else:
        assert answer.error == RATE_FIXED
        assert line.meter.baud == 2400


def test_the_words_hold_for_parameters_and_for_1997_too():
    line = Quirky([], [BCD_WORDS])
    assert line.write(0x0400_0703, "20") == RATE_FIXED
    assert line.write(0x0400_0703, "32") == 0
    assert line.meter.baud == 9600
    old = Quirky([], [BCD_WORDS], edition=Edition.E1997)
    assert old.error(ChangeRate(ADDRESS, 0x20, Edition.E1997)) == OTHER
    assert old.error(ChangeRate(ADDRESS, 0x32, Edition.E1997)) == 0
    assert old.meter.baud == 9600


def test_meters_of_different_makers_on_one_line():
    quirky = made("000000000039", deviations=deviations_named(["wake-up-before-answers"]))
    line = Line(made(), quirky)
    ear = Ear()
    line.pair = Pair(
        Session(Role.MASTER),
        MeterBus(line.meters, epoch_s=NOW),
        to_asker=ear,
    )
    for meter in line.meters:
        assert isinstance(line.ask(ReadData(meter.address, ENERGY)), Data)
    assert [parse(raw).preamble for raw in ear.said] == [0, 4]


def test_meters_that_talk_at_once_do_it_their_way():
    late = deviations_named(["wake-up-before-answers"])
    ear = Ear()
    meters = [made("000000000011", deviations=late), made("000000000022", deviations=late)]
    pair = Pair(
        Session(Role.MASTER),
        MeterBus(meters, epoch_s=NOW),
        to_asker=ear,
    )
    assert pair.ask(ReadData(ANY, ENERGY)).timed_out
    assert ear.said[0].startswith(bytes([PREAMBLE] * 4) + b"\x68\x00")  # 11 and 22: each 0 wins


def test_a_word_in_the_state_that_this_maker_does_not_have(tmp_path):
    file = tmp_path / "meter.json"
    own = Line(made(state=file, deviations=deviations_named([BCD_WORDS])))
    assert own.write(0x0400_0703, "32") == 0
    other = made(state=file, deviations=Deviations())
    with pytest.raises(LocalError, match="other words for the speed"):
        assert other.baud
