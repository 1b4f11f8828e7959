"""What keeps other sites out: host names, where orders come from, and the headers of every answer."""

import pytest
from litestar.datastructures import Headers
from tests.headend.web_world import BASE, client, filled

from kwhub.headend.web.guard import SECURITY_HEADERS, host_allowed, same_site


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("guard") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8080", True),
        ("10.0.0.7", True),
        ("meters.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("meters.example.evil.example:8080", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_addresses_are_welcome_and_names_must_be_known(host, allowed):
    assert host_allowed(host, {"meters.example"}) is allowed


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": BASE}, False),
        ({"origin": BASE}, True),
        ({"origin": "http://127.0.0.1:9"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_orders_come_from_this_site_or_from_no_site(headers, allowed):
    assert same_site(Headers({"host": "127.0.0.1:8080", **headers})) is allowed


def test_a_foreign_name_gets_no_page(headend):
    with client(headend, Host="evil.example") as stranger:
        answer = stranger.get("/")
        assert answer.status_code == 421
        assert "Willow" not in answer.text
        assert stranger.get("/api/v1/areas").json()["title"] == "Misdirected Request"


@pytest.mark.parametrize("path", ["/meters/2/orders", "/api/v1/meters/2/orders"])
def test_an_order_from_another_site_is_refused_and_not_written_down(headend, path):
    with client(headend, Origin="http://evil.example") as stranger:
        assert stranger.post(path, data={"register": "1-0:1.8.0"}).status_code == 403
        assert stranger.get("/api/v1/meters/2/orders").json()["items"] == []


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/areas", "/static/page.js", "/healthz"])
def test_every_answer_carries_the_headers(headend, path):
    with client(headend) as reader:
        headers = reader.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "unsafe" not in headers["content-security-policy"]
