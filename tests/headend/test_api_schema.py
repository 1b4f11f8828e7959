"""Everything that the description of the API allows, and much that it does not: no answer is a server's error.

The requests are drawn by schemathesis from the OpenAPI of the application itself, from one seed.
"""

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance
from tests.headend.desk_world import move_in
from tests.headend.web_world import BASE, ENERGY, NOW, StandingClock, client
from tests.headend.whole import empty_store
from tests.headend.world import batch, config, shanghai

from kwhub.headend.api.problems import PROBLEM_TYPE
from kwhub.headend.app import HeadEnd
from kwhub.headend.people.key_rows import NewKey
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.people.user_rows import Grant

EXAMPLES = 4
"""Requests for each operation: half of them as the description says, half of them broken."""

SEED = 20260304
HUGE = 10**30
NUMBERED = re.compile(
    r"/(accounts|areas|groups|imports|meters|orders|statements|tasks|terminals|users)/[^/?]+"
)


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    """Three meters with two days of energy, an account with a tariff, one order and one task."""
    path = tmp_path_factory.mktemp("schema") / "headend.sqlite"
    path.write_bytes(empty_store())
    made = HeadEnd(config(path, power_safe=False), StandingClock())
    rows = [
        (meter, ENERGY, 900, shanghai(2) + quarter * 900, quarter * 10_000)
        for meter in (1, 2, 3)
        for quarter in range(2 * 96)
    ]
    made.store.append([batch(rows, received_at=NOW)])
    move_in(made, accounts=(1,))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def program(headend):
    """A program with a key that may everything, everywhere; user 1, whom requests change, is another one."""
    people, key = headend.people, ""
    for name in ("mei", "robot"):
        people.staff.add(name, "", [Grant(Role.ADMIN.value, 0)])
        caller = people.identify(people.use_link(people.link(name), "10.0.0.7", ""), "")
        _, key = people.staff.add_key(caller, NewKey("probe", frozenset(Right) - {Right.OPEN}))
    with client(headend, role=None, Authorization=f"Bearer {key}") as made:
        yield made


@pytest.fixture(scope="module")
def described(program):
    return schemathesis.openapi.from_dict(program.get("/openapi.json").json())


def asked(program, case, number):
    """The answer to a request that was drawn; three of four name rows that there are."""
    drawn = {k: v for k, v in case.as_transport_kwargs(base_url=BASE).items() if v is not None}
    drawn.pop("cookies", None)
    kept = {"content-type", "idempotency-key"}
    drawn["headers"] = {k: v for k, v in drawn["headers"].items() if k.lower() in kept}
    if isinstance(drawn.get("data"), (bytes, str)):
        drawn["content"] = drawn.pop("data")
    if number % 4:
        drawn["url"] = NUMBERED.sub(r"/\1/1", drawn["url"])
    return program.request(**drawn)


def complaint(case, answer):
    """What is wrong with an answer, whatever was asked; empty for nothing."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.status_code >= 400:
        body = answer.json()
        is_problem = answer.headers["content-type"] == PROBLEM_TYPE
        return "" if is_problem and body["status"] == answer.status_code else "no problem document"
    try:
        response_schema = Response.from_any(answer)
        case.validate_response(response_schema, checks=[response_schema_conformance])
    except Failure as failure:
        return str(failure)[:400]
    return ""


@pytest.mark.slow
def test_no_request_that_can_be_described_is_an_error_of_the_server(program, described):
    wrong: list[str] = []
    answers: list[int] = []
    for result in described.get_all_operations():
        operation = result.ok()
        drawn = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        broken = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=drawn | broken)
        def ask(case):
            answer = asked(program, case, len(answers))
            answers.append(answer.status_code)
            if said := complaint(case, answer):
                wrong.append(f"{answer.request.method} {answer.request.url}: {said}")

        ask()
    assert not wrong, "\n".join(wrong)
    assert len(answers) >= 250
    assert {200, 400, 404} <= set(answers)
    assert 401 not in answers


@pytest.mark.parametrize(
    "path", ["/statements/{}", "/accounts/{}/book", "/tasks/{}/results", "/archive/meters/{}"]
)
def test_a_number_that_no_row_can_have_is_not_found(program, path):
    for number in (0, -1, 2**31, HUGE, -HUGE):
        answer = program.get("/api/v1" + path.format(number))
        assert (answer.status_code, answer.json()["status"]) == (404, 404), number


@pytest.mark.parametrize(
    "files", [{"": (None, "false")}, {"data": (None, "x")}, {"other": ("a.csv", "x")}]
)
def test_an_import_without_a_file_is_a_wrong_request(program, files):
    answer = program.post("/api/v1/imports", params={"kind": "meters"}, files=files)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROBLEM_TYPE


@pytest.mark.parametrize(
    "amount", ["NaN", "sNaN", "Infinity", "-1e30", "1e30", "1e-30", "1e999999"]
)
def test_what_is_no_money_is_refused(program, amount):
    paid = program.post("/api/v1/accounts/1/payments", json={"amount": amount, "reference": "r"})
    assert paid.status_code == 422
    assert "no amount of money" in paid.json()["detail"]
    body = {"code": "flat", "from_day": "2026-03-03", "low_balance": amount}
    assert program.post("/api/v1/accounts/1/tariff", json=body).status_code == 422
    assert program.get("/api/v1/accounts/1/book").json()["items"] == []


def test_a_text_with_the_character_nought_is_refused(program):
    assert program.get("/api/v1/areas/1/meters?search=%00").status_code == 400
    assert program.get("/areas/1?search=a%00").status_code == 400
    body = json.dumps({"values": {"code": "a\0", "name": "b"}})
    made = program.post(
        "/api/v1/archive/areas", content=body, headers={"content-type": "application/json"}
    )
    assert made.status_code == 400
    assert "character 0" in made.json()["detail"]
