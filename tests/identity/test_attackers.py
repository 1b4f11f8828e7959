"""T-12 and T-13, T-H9 and T-H10: thief, false head-end, memory dump, recorded sessions."""

import ssl
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from sqlalchemy import func, select
from tests.identity.field import METER, OTHER_METER, PIN, START, Handheld, Headend, Tapped, on_stage

from kwhub.domain.errors import LinkDown, LocalError, Refusal
from kwhub.exchange.device_messages import DeviceReading, Envelope, FetchWork, Greet, Upload, pack
from kwhub.exchange.device_messages import WorkMeter as Visit
from kwhub.handheld.budget import Budget
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.identity import stranger_context
from kwhub.headend.identity.authority import Authority
from kwhub.headend.identity.listener import HANDSHAKE_S, STRANGER_IDLE_S
from kwhub.headend.store.schema_devices import device_upload
from kwhub.links.layers.secure import SecureLink
from kwhub.links.memory import pair


def test_t12_a_lost_handheld_is_out_and_one_knows_what_it_could_do(place):
    async def main(stage):
        device = await stage.working()
        stage.give(meters=(Visit(METER), Visit(OTHER_METER)), uses=2, hours=72)
        order = stage.headend.ordered("device-000001", (METER, "relay-trip", ""))
        budget = Budget(device.identity)
        budget.take(await device.channel.ask(FetchWork()))
        budget.spend(METER, "read")
        told = stage.headend.registry.lose("device-000001", "admin", "left on the bus")
        assert {(each.meter, each.operation, each.uses) for each in told.grants} == {
            (METER, "read", 2),
            (OTHER_METER, "read", 2),
        }
        assert told.orders == (order,)
        assert (told.until - stage.clock.now()).total_seconds() == 72 * 3600
        # Off-line the thief with the PIN has what was granted, until it ends by itself.
        budget.spend(METER, "read")
        await stage.clock.sleep(72 * 3600)
        with pytest.raises(Refusal, match="is over"):
            budget.spend(OTHER_METER, "read")
        assert stage.headend.registry.exposure("device-000001").grants == ()
        # On-line it is told to wipe itself.
        with pytest.raises(Refusal, match="lost"):
            await device.greet()
        with pytest.raises(LocalError, match="wiped"):
            device.boot()

    on_stage(place, main)


class FalseHeadend(Headend):
    """Somebody with another authority, who answers to everything."""


def false(stage, place, authority=None):
    (place / "false").mkdir()
    (place / "false" / "headend.sqlite").write_bytes((place / "headend.sqlite").read_bytes())
    fake = FalseHeadend(place / "false", stage.clock, stage.headend.tasks)
    fake.registry.authority = authority or fake.registry.authority
    return fake


def test_t13_a_false_head_end_is_refused_by_an_enrolled_device(place):
    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()
        fake = false(stage, place)
        with pytest.raises(LinkDown, match=r"cannot be trusted"):
            await Channel(device.identity, fake.dial).ask(Greet())
        assert fake.audit == []

    on_stage(place, main)


def test_t13_a_false_head_end_gets_no_secret_at_enrolment(place):
    async def main(stage):
        fake = false(stage, place)
        stage.device.prepare(stage.code)
        links = []

        async def dial():
            links.append(Tapped(await fake.dial(enrolment=True)))
            return links[-1]

        with pytest.raises(Refusal, match="not the head-end that has allocated"):
            await enrol(stage.device.identity, dial)
        assert len(links) == 1

    on_stage(place, main)


def test_t13_a_stolen_device_certificate_makes_no_head_end(place):
    async def main(stage):
        device = await stage.working()
        victim = Handheld(place / "victim", stage.headend, stage.clock)
        victim.prepare(stage.code)
        victim.identity.trust(device.identity.state.root)
        victim.identity.keep(next=device.identity.held)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = place / "stolen.pem"
        pem.write_bytes(device.identity.held.key + device.identity.held.chain.encode())
        context.load_cert_chain(pem)

        async def dial():
            near, far = pair()
            stage.headend.tasks.create_task(pretend(far, context))
            return near

        async def pretend(link, context):
            secure = SecureLink(link, context)
            with pytest.raises(LinkDown):
                await secure.shake_hands()

        with pytest.raises(LinkDown, match="cannot be trusted"):
            await Channel(victim.identity, dial).ask(Greet())

    on_stage(place, main)


def test_t13_a_head_end_with_an_expired_certificate_is_refused(place):
    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()
        secure = SecureLink(await stage.headend.dial(), stranger_context(), "head-end.kwhub")
        await secure.shake_hands()
        device.identity.check_server(secure.peer_certificate)
        device.identity.heard(device.identity.now() + 91 * 86_400)
        with pytest.raises(Refusal, match="does not hold today"):
            device.identity.check_server(secure.peer_certificate)

    on_stage(place, main)


def test_a_foreign_certificate_gets_in_nowhere(place):
    async def main(stage):
        device = await stage.working()
        held = device.identity.held
        other = Authority(place / "other", START)
        issued = other.certify_device(
            device.identity.signing_request(), "device-000001#2", START, 7
        )
        device.identity.keep(
            current=type(held)(
                device.identity.state.next.key, issued.chain, 2, held.not_after, 2**40
            ),
            next=None,
        )
        await device.channel.aclose()
        with pytest.raises(LinkDown, match="does not know the CA of our certificate"):
            await device.greet()

    on_stage(place, main)


ALERT_BYTES = 7
"""All that a stranger hears: one TLS alert."""


async def hung_up(link):
    """Wait until the other side hangs up; how many bytes it has said before."""
    heard = 0
    try:
        while True:
            heard += len(await link.read())
    except LinkDown:
        return heard


def uploaded(stage):
    with stage.headend.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(device_upload))


READING = Upload(
    "upload-1", None, (DeviceReading(METER, "1-0:1.8.0", Decimal("1.1"), "kWh", 1_772_323_200),)
)


def test_a_recorded_session_played_again_does_nothing(place):
    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()
        await device.channel.ask(READING)
        recorded = bytes(device.links[-1].sent)
        before = len(stage.headend.audit), stage.headend.state().seen_at
        await stage.clock.sleep(5)
        link = await stage.headend.dial()
        await link.write(recorded)
        await hung_up(link)
        assert (len(stage.headend.audit), stage.headend.state().seen_at) == before
        assert uploaded(stage) == 1

    on_stage(place, main)


def test_rubbish_and_plain_requests_are_sent_away(place):
    async def main(stage):
        for raw in (b"GET / HTTP/1.1\r\n\r\n", pack(Envelope(1, Greet())), bytes(64)):
            link = await stage.headend.dial()
            await link.write(raw)
            assert await hung_up(link) <= ALERT_BYTES
        assert stage.headend.actions() == ["device_allocate"]
        assert stage.headend.state().seen_at is None

    on_stage(place, main)


def test_a_stranger_that_only_holds_the_line_is_sent_away(place):
    async def main(stage):
        link = await stage.headend.dial(enrolment=True)
        secure = SecureLink(link, stranger_context(), "head-end.kwhub")
        await secure.shake_hands()
        await stage.clock.sleep(STRANGER_IDLE_S + 1)
        with pytest.raises(LinkDown):
            await secure.write(b"x")
        silent = await stage.headend.dial(enrolment=True)
        await stage.clock.sleep(HANDSHAKE_S + 1)
        assert await hung_up(silent) <= ALERT_BYTES

    on_stage(place, main)


# T-H10


def opened(recorded, secret):
    """What can be read in a recorded direction with a traffic secret.  Source: RFC 8446, 5.2, 5.3, 7.3."""
    digest = hashes.SHA384()

    def derive(label, length):
        info = length.to_bytes(2) + bytes((6 + len(label),)) + b"tls13 " + label + b"\x00"
        return HKDFExpand(digest, length, info).derive(secret)

    cipher, vector, sequence, plain = AESGCM(derive(b"key", 32)), derive(b"iv", 12), 0, b""
    while recorded:
        size = int.from_bytes(recorded[3:5])
        header, body, recorded = recorded[:5], recorded[5 : 5 + size], recorded[5 + size :]
        nonce = bytes(a ^ b for a, b in zip(vector, sequence.to_bytes(12), strict=True))
        try:
            plain += cipher.decrypt(nonce, body, header)
            sequence += 1
        except (InvalidTag, ValueError):
            continue
    return plain


def test_h10_recorded_traffic_and_the_stolen_keys_do_not_decrypt(place, monkeypatch):
    log = place / "keys.log"
    plain_context = Handheld.boot

    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()
        make = device.identity.context

        def logged(held):
            context = make(held)
            context.keylog_filename = str(log)
            return context

        monkeypatch.setattr(device.identity, "context", logged)
        await device.channel.ask(READING)
        await device.channel.aclose()
        recorded = bytes(device.links[-1].sent)
        # Everything that lies on the device, opened with its PIN, some generations later, too.
        plain_context(device)
        stolen = [device.vault.open(PIN, 2**40).load(), device.identity.held.key]
        stolen += [path.read_bytes() for path in device.folder.rglob("*") if path.is_file()]
        return recorded, b"".join(stolen)

    recorded, stolen = on_stage(place, main)
    lines = [line.split() for line in log.read_text().splitlines() if not line.startswith("#")]
    secrets = {name: bytes.fromhex(value) for name, _, value in lines}
    assert b"1-0:1.8.0" not in recorded
    assert b"1-0:1.8.0" in opened(recorded, secrets["CLIENT_TRAFFIC_SECRET_0"])  # the tool works
    for secret in secrets.values():
        assert secret not in stolen
    # A key of the device signs the greeting and is no part of the session's secrets.
    for offset in range(0, len(stolen) - 48, 7):
        assert b"1-0:1.8.0" not in opened(recorded[-2_000:], stolen[offset : offset + 48])
        if offset > 700:
            break


def test_nothing_secret_is_in_the_head_ends_files_but_digests(place):
    async def main(stage):
        await stage.working()
        return stage.allocation.secret

    secret = on_stage(place, main)
    assert secret.encode() not in b"".join(
        path.read_bytes() for path in Path(place).glob("headend.sqlite*")
    )
    for path in (place / "ca").glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert len(secret) == 26
