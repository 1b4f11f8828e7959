"""Makers' deviations: the files, the loader, and both ends of a line under each of them."""

from decimal import Decimal

import pytest

from kwhub.catalog.quirks import deviations_for, deviations_named, load_quirk, quirks
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.ports import change_rate
from kwhub.protocols.dlt645 import Edition, Frame645, parse
from kwhub.protocols.dlt645.contents import RATES_2007
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.items import decode, encode
from kwhub.protocols.dlt645.messages import Asked, Data, ReadData, Refused
from kwhub.protocols.dlt645.orders import Authenticate
from kwhub.protocols.dlt645.session import Role, Session

METER = "000000000038"
WILDCARD = "AAAAAAAAAAAA"

GOOD = """
title_en = "Something"
title_zh = "某事"
source = "a test"
makers = ["Acme"]
models = ["X1*"]
[deviations]
answer_preamble = 2
"""


def exchanged(request, answer, deviations, edition=Edition.E2007):
    """The bytes of the answer on the wire, and what the master makes of them."""
    master = Session(Role.MASTER, deviations=deviations)
    meter = Session(Role.METER, edition=edition, addresses={METER}, deviations=deviations)
    master.send(request, 0.0)
    meter.receive(master.outgoing(0.0), 0.0)
    (asked,) = meter.events()
    assert isinstance(asked, Asked)
    meter.send(answer, 0.1)
    raw = meter.outgoing(0.1)
    master.receive(raw, 0.2)
    (event,) = master.events()
    return raw, event


def test_every_file_has_words_in_both_languages_and_a_source():
    assert len(quirks()) >= 5
    for quirk in quirks().values():
        assert quirk.title_en.isascii()
        assert not quirk.title_zh.isascii()
        assert len(quirk.source) > 20
        assert deviations_named([quirk.name]) != STANDARD


def test_the_standard_is_what_no_quirk_says():
    assert deviations_for() == STANDARD
    assert deviations_for("Nobody", "Nothing") == STANDARD
    assert deviations_named([]) == STANDARD
    assert {STANDARD.baud(word): word for word in RATES_2007} == dict(STANDARD.rate_words)
    assert STANDARD.baud(0x16) is None


@pytest.mark.parametrize("model", ["DTTD", "dttd1088"])
def test_a_make_is_found_by_its_model(model):
    deviations = deviations_for(model=model)
    assert deviations.rate_word(9600) == 0x32
    assert deviations.baud(0x64) == 19200
    conversation = change_rate(METER, 9600, deviations)
    assert next(conversation).word == 0x32
    conversation.close()


def test_a_speed_without_a_word_is_told():
    with pytest.raises(LocalError, match="no word for 300 baud; there are 600, 1200"):
        STANDARD.rate_word(300)


@pytest.mark.parametrize("close", [b"", b"\xaa"])
def test_a_closed_block_of_1997(close):
    deviations = deviations_named(["block-end-aa"] if close else [])
    energies = [Decimal(3), Decimal(1), Decimal(2)]
    payload = encode(0x901F, energies, Edition.E1997)
    request = ReadData(METER, 0x901F, edition=Edition.E1997)
    raw, event = exchanged(request, Data(METER, 0x901F, payload), deviations, Edition.E1997)
    assert parse(raw).data.endswith(payload + close)
    assert isinstance(event, Data)
    values = decode(0x901F, event.payload, Edition.E1997)
    assert [value.value for value in values] == energies
    single = ReadData(METER, 0x9010, edition=Edition.E1997)
    raw, _ = exchanged(single, Data(METER, 0x9010, payload[:4]), deviations, Edition.E1997)
    assert len(parse(raw).data) == 6


@pytest.mark.parametrize(("names", "size"), [([], 2), (["security-error-one-byte"], 1)])
def test_a_refusal_of_security(names, size):
    request = Authenticate(METER, 0x070000FF, bytes(24))
    refused = Refused(METER, 0x08, size=2, function=0x03)
    raw, event = exchanged(request, refused, deviations_named(names))
    assert len(parse(raw).data) == size
    assert isinstance(event, Refused)
    assert event.error == 0x08


@pytest.mark.parametrize("names", [[], ["wildcard-left"]])
def test_a_wildcard_in_the_answer(names):
    deviations = deviations_named(names)
    answer = Data(METER, 0x00010000, bytes(4))
    raw, event = exchanged(ReadData(WILDCARD, 0x00010000), answer, deviations)
    assert parse(raw).address == (WILDCARD if names else METER)
    assert isinstance(event, Data)
    raw, _ = exchanged(ReadData(METER, 0x00010000), answer, deviations)
    assert parse(raw).address == METER


def test_wake_up_bytes_of_both_ends():
    answer = Data(METER, 0x00010000, bytes(4))
    raw, _ = exchanged(
        ReadData(METER, 0x00010000), answer, deviations_named(["wake-up-before-answers"])
    )
    assert parse(raw).preamble == 4
    master = Session(Role.MASTER, deviations=Deviations(request_preamble=1))
    master.send(ReadData(METER, 0x00010000), 0.0)
    assert parse(master.outgoing(0.0)).preamble == 1


def test_several_quirks_together():
    both = deviations_named(["wildcard-left", "wake-up-before-answers"])
    assert (both.keeps_wildcard, both.answer_preamble, both.request_preamble) == (True, 4, 4)
    frame = Frame645(METER, 0x91, bytes(8))
    assert both.answer(ReadData(WILDCARD, 0), frame).address == WILDCARD


def test_an_unknown_name_has_a_suggestion():
    with pytest.raises(LocalError, match="did you mean 'wildcard-left'"):
        deviations_named(["wildcard_left"])
    with pytest.raises(LocalError, match="there are baud-word-bcd, block-end-aa"):
        deviations_named(["?"])


def test_quirks_that_contradict_each_other(monkeypatch):
    other = load_quirk(GOOD, name="two-wake-ups")
    known = {**quirks(), other.name: other}
    monkeypatch.setattr("kwhub.catalog.quirks.quirks", lambda: known)
    with pytest.raises(
        LocalError, match="wake-up-before-answers and two-wake-ups differ on answer"
    ):
        deviations_named(["wake-up-before-answers", "two-wake-ups"])
    assert deviations_for("ACME", "x100").answer_preamble == 2
    assert deviations_for("Acme", "Y1") == STANDARD
    assert deviations_for("Other", "X1") == STANDARD


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("answer_preamble = 2", "answer_preamble = 17", "deviations.answer_preamble"),
        ("answer_preamble = 2", 'answer_preamble = "2"', "deviations.answer_preamble"),
        ("answer_preamble = 2", "answer_pre = 2", "answer_pre"),
        ("answer_preamble = 2", "", "nothing differs"),
        ("answer_preamble = 2", "block_end = [256]", "deviations.block_end"),
        ("answer_preamble = 2", "security_error_bytes = 3", "deviations.security_error_bytes"),
        ("answer_preamble = 2", "rate_words = { 600 = 2, 1200 = 2 }", "of its own"),
        ("answer_preamble = 2", "rate_words = { fast = 2 }", "rate_words"),
        ('source = "a test"', "", "source"),
        ('source = "a test"', 'source = ""', "source"),
        ('makers = ["Acme"]', 'makers = "Acme"', "makers"),
        ("[deviations]", "[deviations", "not valid TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(line, instead, told):
    with pytest.raises(ConfigError, match=r"^odd\.toml: ") as caught:
        load_quirk(GOOD.replace(line, instead), name="odd")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"request_preamble": -1}, {"answer_preamble": 17}, {"security_error_bytes": 0},
     {"rate_words": {600: 256}}],
)  # fmt: skip
def test_settings_that_cannot_be(settings):
    with pytest.raises(LocalError):
        Deviations(**settings)
