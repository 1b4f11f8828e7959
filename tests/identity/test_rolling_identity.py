"""T-H1 to T-H7 of the sheet: no identity, secret, renewal, lost answers, copies, locks."""

import ssl

import pytest
from tests.identity.field import METER, PIN, START, Handheld, Tapped, on_stage

from kwhub.domain.errors import LinkDown, LocalError, Refusal
from kwhub.exchange.device_messages import Greet, Renew
from kwhub.handheld.budget import Budget
from kwhub.handheld.channel import enrol
from kwhub.handheld.identity import client_context
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.headend.identity.records import DeviceState
from kwhub.links.layers.secure import SecureLink


async def knock(stage, context):
    """Somebody greets the device port with a context of his own; returns what comes back."""
    secure = SecureLink(await stage.headend.dial(), context, "head-end.kwhub")
    await secure.shake_hands()
    return await secure.read()


def test_h1_without_identity_neither_system_nor_functions(place):
    async def main(stage):
        device = await stage.working()
        context = client_context(device.identity.state.root)
        with pytest.raises(LinkDown, match="wants a certificate"):
            await knock(stage, context)
        stage.give()
        stranger = Handheld(place / "other", stage.headend, stage.clock)
        with pytest.raises(LocalError, match="no identity"):
            stranger.boot()
        stranger.prepare(stage.code)
        with pytest.raises(LocalError, match="not enrolled"):
            await stranger.greet()
        with pytest.raises(LocalError, match="not enrolled"):
            Budget(stranger.identity).spend(METER, "read")
        assert stage.headend.actions().count("device_enrol") == 1

    on_stage(place, main)


def test_h2_secret_works_once(place):
    async def main(stage):
        first = await stage.working()
        thief = Handheld(place / "thief", stage.headend, stage.clock)
        thief.prepare(stage.code)
        with pytest.raises(Refusal, match="secret is wrong, used or too old"):
            await thief.enrol()
        assert stage.headend.state().wrong_secrets == 1
        assert (await first.greet()).generation == 2

    on_stage(place, main)


@pytest.mark.parametrize("trouble", ["wrong", "late", "unknown"])
def test_h2_wrong_late_and_unknown_are_refused(place, trouble):
    async def main(stage):
        code = stage.code
        if trouble == "late":
            await stage.clock.sleep(24 * 3600)
        if trouble == "wrong":
            code = stage.headend.code(type(stage.allocation)(code.device, "A" * 26, START))
        if trouble == "unknown":
            code = stage.headend.code(type(stage.allocation)("device-000009", code.secret, START))
        stage.device.prepare(code)
        with pytest.raises(Refusal, match="secret"):
            await stage.device.enrol()
        assert stage.headend.generations() == []

    on_stage(place, main)


def test_h2_secret_is_used_up_by_another_key_even_before_the_first_use(place):
    async def main(stage):
        stage.device.prepare(stage.code)
        await stage.device.enrol()
        thief = Handheld(place / "thief", stage.headend, stage.clock)
        thief.prepare(stage.code)
        with pytest.raises(Refusal, match="secret"):
            await thief.enrol()
        await stage.device.enrol()  # a lost answer: the same key may ask again
        await stage.device.greet()

    on_stage(place, main)


def test_h3_first_connection_starts_renewal_by_itself(place):
    async def main(stage):
        stage.device.prepare(stage.code)
        await stage.device.enrol()
        assert stage.headend.state().state is DeviceState.ALLOCATED
        first = stage.device.identity.held
        assert (await stage.device.greet()).generation == 2
        assert stage.headend.generations() == [(1, "dead"), (2, "current")]
        assert stage.device.identity.held.key != first.key
        assert stage.device.identity.state.secret == ""
        assert stage.headend.state().state is DeviceState.ACTIVE

    on_stage(place, main)


def test_h4_every_renewal_has_a_new_key_by_itself(place):
    async def main(stage):
        device = await stage.working()
        keys, serials = set(), set()
        for _ in range(5):
            held = device.identity.held
            keys.add(held.key)
            serials.add(held.chain)
            await stage.clock.sleep(4.3 * 86_400)  # past six tenths of seven days
            await device.reconnect()
        assert len(keys) == len(serials) == 5
        assert stage.headend.generations()[-1] == (7, "current")
        assert [state for _, state in stage.headend.generations()].count("current") == 1

    on_stage(place, main)


def test_h4_not_before_half_of_its_life(place):
    async def main(stage):
        device = await stage.working()
        await stage.clock.sleep(3.4 * 86_400)
        assert (await device.reconnect()).generation == 2

    on_stage(place, main)


def test_h4_a_key_that_was_certified_before_is_refused(place):
    async def main(stage):
        device = await stage.working()
        request = device.identity.signing_request()
        await device.channel.ask(Renew(request))
        other = stage.headend.registry.allocate(device_description(), "admin")
        stage.headend.code(other)
        answer = stage.headend.registry.enrol(other.device, other.secret, request)
        assert answer.reason == "request"

    on_stage(place, main)


def device_description():
    from kwhub.headend.identity.records import Description

    return Description("T5", "S2", "bob")


def test_h5_lost_answer_to_a_renewal_locks_nobody_out(place):
    async def main(stage):
        device = await stage.working()
        await stage.clock.sleep(5 * 86_400)
        device.deaf = True
        with pytest.raises(LinkDown):
            await device.greet()
        device.deaf = False
        assert stage.headend.generations()[1:] == [(2, "current"), (3, "pending")]
        device.boot()
        assert (await device.greet()).generation == 3
        assert stage.headend.generations()[1:] == [(2, "dead"), (3, "current")]

    on_stage(place, main)


def test_h5_old_identity_is_admitted_until_the_new_one_is_used(place):
    async def main(stage):
        device = await stage.working()
        answer = await device.channel.ask(Renew(device.identity.signing_request()))
        await device.reconnect()
        assert stage.headend.generations()[1:] == [(2, "current"), (3, "pending")]
        device.identity.certified(answer)
        assert (await device.reconnect()).generation == 3

    on_stage(place, main)


def test_h6_copied_disk_is_noticed_and_locked(place):
    async def main(stage):
        device = await stage.working()
        clone = device.copy(place / "clone")
        await stage.clock.sleep(5 * 86_400)
        assert (await device.reconnect()).generation == 3  # the old key is dead from here on
        await stage.clock.sleep(1)
        with pytest.raises(Refusal, match="used again"):
            await clone.greet()
        assert stage.headend.state().state is DeviceState.LOCKED
        assert "device_copied" in stage.headend.actions()
        with pytest.raises(Refusal, match="locked"):
            await device.greet()  # nobody knows which of the two is the thief
        with pytest.raises(Refusal, match="locked"):
            device.identity.unseal("row", b"")

    on_stage(place, main)


def test_h6_also_when_the_copy_was_faster(place):
    async def main(stage):
        device = await stage.working()
        clone = device.copy(place / "clone")
        await stage.clock.sleep(5 * 86_400)
        assert (await clone.greet()).generation == 3
        await stage.clock.sleep(1)
        with pytest.raises(Refusal, match="used again"):
            await device.reconnect()
        with pytest.raises(Refusal, match="locked"):
            await clone.greet()

    on_stage(place, main)


def test_h6_late_packets_of_the_device_itself_are_no_copy(place):
    async def main(stage):
        device = await stage.working()
        held = device.identity.held
        late = SecureLink(
            await stage.headend.dial(), device.identity.context(held), "head-end.kwhub"
        )
        await late.shake_hands()
        await stage.clock.sleep(5 * 86_400 - 600)  # the listener forgets idle ones after 10 minutes
        await device.reconnect()
        assert stage.headend.state().state is DeviceState.ACTIVE

    on_stage(place, main)


def test_h6_new_allocation_lets_the_owner_in_again_and_not_the_copy(place):
    async def main(stage):
        device = await stage.working()
        clone = device.copy(place / "clone")
        stage.headend.registry.lock("device-000001", "admin", "suspicion")
        again = stage.headend.registry.allocate_again("device-000001", "admin")
        device.prepare(stage.headend.code(again))
        await device.enrol()
        await device.greet()
        await stage.clock.sleep(1)
        with pytest.raises(Refusal, match="used again"):
            await clone.greet()
        assert (await device.reconnect()).generation == 4
        assert stage.headend.state().state is DeviceState.ACTIVE

    on_stage(place, main)


@pytest.mark.parametrize("way", ["lock", "lose", "retire"])
def test_h7_lock_stops_at_the_next_request_also_on_an_open_connection(place, way):
    async def main(stage):
        device = await stage.working()
        await device.greet()
        dialled = len(device.links)
        getattr(stage.headend.registry, way)("device-000001", "admin", "gone")
        with pytest.raises(Refusal, match=r"locked|lost|retired"):
            await device.greet()
        assert len(device.links) == dialled  # it was the connection that was open
        if way == "lock":
            device.boot()
            with pytest.raises(Refusal, match="locked"):
                device.identity.require()
        else:
            with pytest.raises(LocalError, match="wiped"):
                device.boot()

    on_stage(place, main)


def test_locked_for_good_the_vault_of_a_lost_device_opens_no_more(place):
    async def main(stage):
        device = await stage.working()
        row = device.identity.seal("row", b"customer")
        stage.headend.registry.lose("device-000001", "admin", "stolen")
        with pytest.raises(Refusal):
            await device.greet()
        with pytest.raises((Refusal, LocalError)):
            device.identity.unseal("row", row)
        assert not (device.folder / "store" / "secret").exists()

    on_stage(place, main)


def test_expired_identity_is_only_good_for_renewal(place):
    async def main(stage):
        device = await stage.working()
        stage.give(hours=24 * 30)
        budget = Budget(device.identity)
        from kwhub.exchange.device_messages import FetchWork

        budget.take(await device.channel.ask(FetchWork()))
        await stage.clock.sleep(8 * 86_400)
        with pytest.raises(Refusal, match="expired"):
            budget.spend(METER, "read")
        assert (await device.reconnect()).generation == 3
        budget.spend(METER, "read")
        await stage.clock.sleep(40 * 86_400)
        with pytest.raises(Refusal, match="expired"):
            await device.reconnect()

    on_stage(place, main)


def test_an_expired_identity_gets_nothing_but_renewal_from_the_head_end(place):
    async def main(stage):
        device = await stage.working()
        await stage.clock.sleep(8 * 86_400)
        with pytest.raises(Refusal, match="only renewal"):
            await device.channel._ask(Greet())

    on_stage(place, main)


def test_session_is_tls_1_3_without_tickets(place):
    async def main(stage):
        device = await stage.working()
        context = device.identity.context(device.identity.held)
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        secure = SecureLink(await stage.headend.dial(), context, "head-end.kwhub")
        await secure.shake_hands()
        assert secure.version == "TLSv1.3"
        old = client_context(device.identity.state.root)
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(LinkDown, match="version"):
            await knock(stage, old)

    on_stage(place, main)


def test_enrolment_may_be_asked_again(place):
    async def main(stage):
        stage.device.prepare(stage.code)
        for lost in (2, 1, 99):  # the answer that is lost: to the enrolment, to the root, none

            async def dial():
                nonlocal lost
                link = Tapped(await stage.headend.dial(enrolment=True))
                lost -= 1
                link.deaf_after = 1_500 if lost == 0 else None
                return link

            if lost < 99:
                with pytest.raises(LinkDown):
                    await enrol(stage.device.identity, dial)
            else:
                await enrol(stage.device.identity, dial)
            stage.device.boot()
        assert stage.headend.generations() == [(1, "pending")]
        assert stage.device.identity.pending

    on_stage(place, main)


def test_vault_of_nobody_does_not_open(tmp_path):
    vault = Vault(tmp_path / "vault", FileKeyStore(tmp_path / "secret"))
    with pytest.raises(LocalError, match="no identity"):
        vault.open(PIN, 0)
