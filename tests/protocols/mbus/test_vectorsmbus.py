"""Every published telegram through ``kwhub decode --json``; what is broken is told with its reason.

Where a vector and the sheet of facts disagree: a manufacturer of 0000 is ``@@@`` in the vectors and
hexadecimal in the sheet; both are given (``manufacturer``, ``manufacturer_code``). A master's frame is
"rejected" in the vectors, because they decode answers only; here it is a good frame of the master.
"""

import json
from decimal import Decimal

import pytest
from tests.protocols.mbus.corpusmbus import corpus

from kwhub.catalog.decoding import detect
from kwhub.cli.app import run
from kwhub.protocols.mbus.explain import explain
from kwhub.protocols.mbus.frames import parse

NOT_OURS = {"value", "fixed_unit_code", "raw_count", "dib_vib"}
KINDS = {
    "premature_end_of_data2": "data_short",
    "premature_end_of_dif1": "dif_cut",
    "premature_end_of_dif2": "dif_cut",
    "premature_end_of_vif1": "vif_missing",
    "too_long_var_vif": "text_unit",
    "too_many_dife": "too_many_dife",
    "invalid_length2": "data_short",
    "manual_frame1": "start_missing",
}


def decoded(capsys, *arguments):
    run(["decode", "--json", *arguments])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def same(found, expected, kind):
    if kind == "number":
        return Decimal(found) == Decimal(expected)
    return found == expected


@pytest.mark.slow
def test_decode_agrees_with_every_record(capsys):
    vectors = corpus("given.jsonl")
    answers = decoded(capsys, *(vector["hex"] for vector in vectors))
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["protocol"] == "mbus", vector["id"]
        assert answer["valid"]
        assert answer["error"] is None
        expected = vector["link"] | vector["expect_header"]
        assert {name: answer["frame"].get(name) for name in expected} == expected, vector["id"]
        assert len(answer["values"]) == len(vector["expect_records"])
        for value, record in zip(answer["values"], vector["expect_records"], strict=True):
            assert same(value["value"], record["value"], record["kind"]), (vector["id"], record)
            wanted = {name: record[name] for name in record if name not in NOT_OURS}
            assert {name: value.get(name) for name in wanted} == wanted, vector["id"]
            assert value["identifier"] == record.get("dib_vib", value["identifier"])


def test_what_is_broken_is_told(capsys):
    for vector in corpus("negative_given.jsonl"):
        (answer,) = decoded(capsys, "--protocol", "mbus", vector["hex"])
        name, expect = vector["id"].split("/")[1], vector["expect"]
        if expect["kind"] == "app_error":
            assert answer["frame"]["kind"] == "app_error"
            assert answer["frame"]["code"] == expect["code"]
            assert answer["error"] is None
        elif name in KINDS:
            assert answer["error"]["kind"] == KINDS[name]
        else:
            assert answer["error"] is None, name


def test_a_first_byte_1f_makes_the_rest_the_vendors(capsys):
    (vector,) = [each for each in corpus("negative_given.jsonl") if "svm_f22" in each["id"]]
    (answer,) = decoded(capsys, vector["hex"])
    assert [value["function"] for value in answer["values"]] == ["manufacturer_data_more_follow"]


def test_the_order_for_an_address_is_a_good_frame_of_the_master(capsys):
    (answer,) = decoded(capsys, "6806066853FE51017A082516")
    assert answer["frame"]["direction"] == "master_to_slave"
    assert [(value["name"], value["value"]) for value in answer["values"]] == [("Bus Address", "8")]


def test_every_telegram_gives_its_bytes_back_and_is_explained_without_a_gap():
    for vector in corpus("given.jsonl"):
        raw = bytes.fromhex(vector["hex"])
        assert parse(raw).to_bytes() == raw
        assert detect(raw) == "mbus"
        parts = explain(raw).parts
        assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
        assert parts[-1].stop == len(raw)
