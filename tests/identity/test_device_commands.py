"""The commands for people, and the head-end with its two ports on TCP."""

import asyncio
import json

import pytest

from kwhub.cli.app import run
from kwhub.domain.errors import DecodeError, Refusal
from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import Greet
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.identity import Identity
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import load
from kwhub.links.address import open_link
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

SETTINGS = """
[headend]
store = "{place}/headend.sqlite"
uplink = ""

[devices]
listen = "tcp-listen:127.0.0.1:0"
enrol = "tcp-listen:127.0.0.1:0"
folder = "{place}/ca"
"""


@pytest.fixture
def config(place):
    path = place / "headend.toml"
    path.write_text(SETTINGS.format(place=place))
    return path


def called(capsys, *words):
    code = run(["headend", "device", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_allocate_shows_the_code_once_and_list_shows_no_secret(config, capsys):
    code, out, _ = called(capsys, "allocate", config, "--model", "T5", "--json")
    told = json.loads(out)
    parsed = EnrolmentCode.parse(told["code"])
    assert (code, parsed.device) == (0, "device-000001")
    assert parsed.secret not in repr(parsed)
    _, out, _ = called(capsys, "list", config, "--json")
    assert parsed.secret not in out
    assert json.loads(out)[0]["state"] == "allocated"
    _, out, _ = called(capsys, "allocate", config, "--language", "zh")
    assert "仅可使用一次" in out
    assert "▄" in out
    _, out, _ = called(capsys, "list", config, "--language", "zh")
    assert "已分配" in out


def test_lock_lose_retire_and_allocate_again(config, capsys):
    called(capsys, "allocate", config)
    code, out, _ = called(capsys, "lock", config, "device-000001", "--reason", "x", "--json")
    assert (code, json.loads(out)["state"]) == (0, "locked")
    _, out, _ = called(capsys, "lock", config, "device-000001", "--lost", "--language", "en")
    assert "lost; off-line it may still reach 0 meters" in out
    code, out, _ = called(capsys, "allocate", config, "--again", "device-000001", "--json")
    assert (code, json.loads(out)["device"]) == (0, "device-000001")
    assert called(capsys, "retire", config, "device-000001")[0] == 0
    code, _, err = called(capsys, "allocate", config, "--again", "device-000001")
    assert code == 2
    assert "allocate a new device" in err
    code, _, err = called(capsys, "lock", config, "device-000001")
    assert code == 2
    assert "was retired" in err


def test_trouble_is_told(config, capsys):
    code, _, err = called(capsys, "lock", config, "device-7")
    assert code == 2
    assert "there is no device device-7" in err
    config.write_text("[headend]\n")
    code, _, err = called(capsys, "list", config)
    assert code == 2
    assert "has no table [devices]" in err


def test_keys_that_others_may_read_are_refused(config, capsys):
    called(capsys, "list", config)
    key = config.parent / "ca" / "devices.key"
    key.chmod(0o644)
    code, _, err = called(capsys, "list", config)
    assert code == 2
    assert "chmod 600" in err
    key.write_text("nonsense")
    key.chmod(0o600)
    assert "damaged" in called(capsys, "list", config)[2]


def test_the_root_key_may_be_taken_away(config, capsys):
    (config.parent / "ca" / "root.key").unlink()
    assert called(capsys, "allocate", config)[0] == 0


async def calls(capsys, *words):
    """A command beside a running head-end, with a database of its own as another process has it."""
    _, out, _ = await asyncio.to_thread(called, capsys, *words)
    return json.loads(out.splitlines()[-1])


async def enrolled(folder, code, listener):
    """A new handheld that reaches the head-end over TCP."""
    clock = SystemClock()
    vault = Vault(folder / "vault", FileKeyStore(folder / "secret")).create("4711", cost=2)
    Identity.prepare(vault, EnrolmentCode.parse(code))
    identity = Identity(vault, clock, seeded(1))

    def dial(address):
        return open_link(f"tcp:{address.removeprefix('tcp-listen:')}", clock=clock)

    await enrol(identity, lambda: dial(listener.enrol_address))
    return Channel(identity, lambda: dial(listener.address))


async def visit(config, capsys, headend):
    await headend.running.wait()
    code = (await calls(capsys, "allocate", config, "--json"))["code"]
    channel = await enrolled(config.parent, code, headend.devices.listener)
    assert (await channel.ask(Greet())).generation == 2
    assert (await calls(capsys, "list", config, "--json"))[0]["generation"] == 2
    await calls(capsys, "lock", config, "device-000001", "--json")
    with pytest.raises(Refusal, match="locked"):
        await channel.ask(Greet())


@pytest.mark.slow
def test_a_device_enrols_and_works_over_tcp_with_a_running_head_end(config, capsys):
    async def main():
        headend = HeadEnd(load(config), SystemClock())
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(headend.run())
                await visit(config, capsys, headend)
                running.cancel()
        finally:
            await headend.close()

    asyncio.run(main())
    assert run(["headend", "audit", "verify", str(config)]) == 0


def test_codes_of_others_are_not_understood():
    good = EnrolmentCode("device-000001", "h:1", "[::1]:2", "SECRET", "0" * 64)
    assert EnrolmentCode.parse(f" {good.text}\n") == good
    for wrong in ("", "https://example.org", good.text[:-1], good.text.replace("root", "toor")):
        with pytest.raises(DecodeError) as told:
            EnrolmentCode.parse(wrong)
        assert "SECRET" not in str(told.value)
