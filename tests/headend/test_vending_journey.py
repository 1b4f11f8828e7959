"""The whole journey through real processes: vend, carry, recharge over light, usage back, statement in the head-end."""

import json
import re
from contextlib import closing

import httpx
import pytest
from tests.headend.test_web_pages import words
from tests.headend.vending_processes import CUSTOMER, METER, World

from kwhub.cli.app import run


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("KWHUB_ROOT_KEY", "root.key")

    def call(*arguments):
        code = run([*arguments, "--json"])
        out, error = capfd.readouterr()
        return code, json.loads(out) if out else error

    return call


def signed_in(told):
    """A browser of the first person."""
    browser = httpx.Client(
        base_url=told["web"], follow_redirects=True, headers={"Accept-Language": "en"}
    )
    first = {"secret": told["setup"], "name": "boss", "password": "a long enough passphrase"}
    headers = {"Origin": told["web"].rstrip("/")}
    assert browser.post("/setup", data=first, headers=headers).status_code == 200
    return browser


def send(browser, path, **form):
    """A form of the page before it, as a browser sends it."""
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/vending").text)
    assert token
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    return browser.post(path, data={"csrf": token[1], **form}, headers=origin).text


def check_remote(kwhub, folder, browser, web):
    """A sale over the line where no concentrator is there: refused, with nothing sold."""
    page = send(browser, "/account/keys", name="till", right="sell", days="1")
    key = re.search(r"kwhub_[\w.-]+", page)
    assert key
    (folder / "sales.key").write_text(key[0])
    remote = ("vend", "remote", "7", "--meter", METER, "--headend", web)
    code, error = kwhub(*remote, "--payment", "R-2", "--key-file", "sales.key")
    assert (code, "not online" in error) == (1, True), error
    (folder / "wrong.key").write_text("kwhub_wrong")
    assert kwhub(*remote, "--payment", "R-2", "--key-file", "wrong.key")[0] == 1
    assert kwhub("vend", "receipt", "R-2")[0] == 1


@pytest.mark.slow
def test_vend_carry_recharge_usage_and_statement_between_real_processes(kwhub, tmp_path):
    """Key-ring and meter are killed in between; the head-end shows what the meter has signed."""
    world = World(tmp_path)
    assert kwhub("vend", "customer", CUSTOMER, METER, "Wang")[0] == 0
    with world.ring() as ring:
        medium = ("--medium", f"link:{ring.told['counter']}")
        assert kwhub("vend", "issue", METER, *medium)[1]["meter"] == METER
        sold = ("vend", "sell", "50.00", "--payment", "R-1", "--operator", "ann", *medium)
        assert kwhub(*sold)[1]["state"] == "issued"
    for _ in range(2):  # the second time as after a power cut of the meter
        with world.meter() as meter:
            code, seen = kwhub("medium", "visit", meter.told["link"], "--medium", "ring")
        assert (code, seen["good"], seen["told"]["count"]) == (0, True, 1), seen
        assert 49 < float(seen["told"]["money"]) <= 50
    with world.ring() as ring:
        code, told = kwhub("vend", "collect", "--medium", f"link:{ring.told['counter']}")
    assert [each["state"] for each in told["confirmed"]] == ["confirmed"]
    with world.headend() as headend, closing(signed_in(headend.told)) as browser:
        receipt = words(browser.get("/vending/receipt?payment=R-1").text)
        assert "Wang 000000012345" in receipt
        assert "Amount 50.00" in receipt
        assert "State in the meter" in receipt
        assert f"Wang {CUSTOMER} {METER}" in words(browser.get("/vending/prepaid").text)
        assert "Sales, signatures, meters and payments agree." in send(browser, "/vending/compare")
        check_remote(kwhub, tmp_path, browser, headend.told["web"])
    assert kwhub("vend", "reconcile") == (0, [])


def test_a_remote_sale_tells_what_is_missing(kwhub, monkeypatch):
    monkeypatch.delenv("KWHUB_API_KEY", raising=False)
    remote = ("vend", "remote", "7", "--meter", METER, "--payment", "R-2")
    code, error = kwhub(*remote)
    assert (code, "KWHUB_API_KEY" in error) == (2, True)
    monkeypatch.setenv("KWHUB_API_KEY", "kwhub_x")
    code, error = kwhub(*remote, "--headend", "http://example.org/")
    assert (code, "https://" in error) == (2, True)  # a key does not travel in clear
    code, error = kwhub(*remote, "--headend", "http://127.0.0.1:9/")
    assert (code, "127.0.0.1:9" in error) == (3, True)
