"""The identity of a device: keys that follow each other, each used only until the next is in use.

The order of writes is what makes it safe against power cuts: a new key is on the disk before it is sent, a certificate is on
the disk before it is used, and an old key is removed only after the head-end has answered to the new one.

Source: RFC 2986 (signing request), RFC 8446 (TLS 1.3); kwhub for the order of writes.
"""

import os
import secrets
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import HEAD_END_NAME, WORDS, Certified
from kwhub.handheld.state import Held, State
from kwhub.handheld.vault import OpenVault
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock

__all__ = ["Identity", "client_context", "stranger_context"]

NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: dates are compared with the trusted time, not with a clock that anybody can set."""

CLOCK_SLACK_S: Final = 60
"""A clock may wander by so much before it counts as set back."""

RENEW_FROM, RENEW_SPREAD = 0.5, 0.1
"""Share of a life after which a new key is due, and by how much that is spread at random."""

_ENDS: Final = frozenset({"locked", "lost", "retired", "dead"})
_WIPES: Final = frozenset({"lost", "retired"})


class Identity:
    """Who this device is. Every change is on the disk when a method returns.

    Attributes:
        state: what is known now.
    """

    def __init__(
        self,
        vault: OpenVault,
        clock: Clock,
        chance: Random,
        wipe: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what an open vault holds.

        Args:
            vault: open, because the PIN was right.
            clock: of the device; not trusted further than it fits what the head-end said.
            chance: spreads renewals.
            wipe: destroys the vault, when the head-end says that the device is lost or retired.

        Raises:
            LocalError: there is no identity in it, or the file was changed.
        """
        data = vault.load()
        if data is None:
            raise LocalError(
                "this device has no identity; enrol it with the code of its allocation"
            )
        self.vault = vault
        self.state = msgspec.msgpack.decode(data, type=State)
        self._clock = clock
        self._chance = chance
        self._wipe = wipe
        self._prepared: tuple[Held, ssl.SSLContext] | None = None
        self._anchor = (clock.monotonic(), max(self._wall(), self.state.known))
        self.now()

    @staticmethod
    def prepare(vault: OpenVault, code: EnrolmentCode, before: State | None = None) -> None:
        """Put the code of an allocation into a vault, with the first key.

        Args:
            vault: open.
            code: of the allocation.
            before: of a device that is allocated again: its keys are gone then, but time goes on, and it stays as
                closed as it was until the new key is certified.
        """
        state = State(code.device, code.at, code.enrol, code.root, code.secret)
        if before is not None:
            state = msgspec.structs.replace(
                state, seen=before.known, offset_s=before.offset_s, closed=before.closed
            )
        state = msgspec.structs.replace(state, next=Held(key=_new_key()))
        vault.save(msgspec.msgpack.encode(state))

    # Time

    def now(self) -> int:
        """The present moment as far as it can be trusted: it never goes back; seconds since 1970 UTC.

        A clock that is behind what this device has seen was set back: grants rest from then on. What it has seen is on the
        disk, at most ``CLOCK_SLACK_S`` old, so that closing the device in between wins nothing.
        """
        monotonic, known = self._anchor
        expected = known + int(self._clock.monotonic() - monotonic)
        wall = self._wall()
        is_back = wall < max(expected, self.state.known) - CLOCK_SLACK_S
        if not is_back and wall > expected:
            expected = wall
            self._anchor = (self._clock.monotonic(), wall)
        present = max(expected, self.state.known)
        if is_back and not self.state.frozen:
            self.keep(frozen=True, seen=present)
        elif present > self.state.known + CLOCK_SLACK_S:
            self.keep(seen=present)
        return present

    def heard(self, now: int) -> None:
        """The head-end has told its time, and that is the time."""
        offset = int(self._clock.now().timestamp()) - now
        drifted = abs(offset - self.state.offset_s) > 1 or now - self.state.latest > CLOCK_SLACK_S
        ahead = now < self.state.known
        self._anchor = (self._clock.monotonic(), now)
        if drifted or ahead or self.state.frozen:
            self.keep(offset_s=offset, latest=now, seen=now, frozen=False)

    def _wall(self) -> int:
        return int(self._clock.now().timestamp()) - self.state.offset_s

    # Generations

    @property
    def held(self) -> Held:
        """What to connect with: the newest that has a certificate.

        Raises:
            LocalError: nothing has one; the device is not enrolled.
        """
        for each in (self.state.next, self.state.current):
            if each is not None and each.chain:
                return each
        raise LocalError("this device is not enrolled yet; scan the code of its allocation")

    @property
    def had_one(self) -> bool:
        """Whether this device ever got a certificate."""
        return self.state.current is not None or self.pending

    @property
    def pending(self) -> bool:
        """Whether there is a certificate that was never used."""
        return self.state.next is not None and bool(self.state.next.chain)

    @property
    def renewal_due(self) -> bool:
        """Whether the next generation should be asked for at the next contact."""
        return self.now() >= self.held.renew_at

    def require(self) -> None:
        """Let nothing of the device open without an identity that holds.

        Raises:
            Refusal: the device was sent away, or the identity has expired.
            LocalError: it was never enrolled.
        """
        if self.state.closed:
            raise Refusal((WORDS[self.state.closed][0],))
        if self.now() >= self.held.not_after:
            raise Refusal((WORDS["expired"][0],))

    def signing_request(self) -> str:
        """Ask for a certificate, PKCS #10 in PEM; its key is on the disk, the same until it is certified."""
        if self.pending and self.state.current is None:
            raise LocalError("the first identity must be used before the next one is asked for")
        following = self.state.next
        if following is None or following.chain:
            following = Held(key=_new_key())
            self.keep(next=following)
        key = _private(following.key)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.state.device)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        made = request.sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def certified(self, answer: Certified) -> None:
        """Take the certificate of the key that was asked for.

        Raises:
            DecodeError: it is for another key or device.
        """
        following = self.state.next
        try:
            found = x509.load_pem_x509_certificate(answer.chain.encode())
        except ValueError as error:
            raise DecodeError("certificate", "what came is no certificate") from error
        own = None if following is None else _private(following.key).public_key()
        if following is None or found.public_key() != own or answer.device != self.state.device:
            raise DecodeError("certificate", "the certificate is for another key or device")
        now, end = self.now(), int(found.not_valid_after_utc.timestamp())
        share = RENEW_FROM + RENEW_SPREAD * self._chance.random()
        is_first = self.state.current is None
        self.keep(
            next=Held(
                following.key,
                answer.chain,
                answer.generation,
                end,
                # What came with a secret that people have seen is replaced at the first contact.
                renew_at=now if is_first else now + int((end - now) * share),
            ),
            closed="",
        )

    def forget_next(self) -> None:
        """The head-end does not want this key: a new one is made at the next attempt."""
        if self.state.next is not None and not self.state.next.chain:
            self.keep(next=None)

    def admitted(self, held: Held) -> None:
        """The head-end has answered to a generation: older ones are over, and removed."""
        if self.state.next is not None and held.generation == self.state.next.generation:
            self.keep(current=held, next=None, secret="")

    def sent_away(self, reason: str) -> None:
        """The head-end has said no for good; what was lost or retired wipes itself."""
        if reason in _ENDS and self.state.closed != reason:
            self.keep(closed=reason, grants=())
        if reason in _WIPES:
            self._wipe()
            self.vault.close()

    def trust(self, root: str) -> None:
        """Take the root certificate, if it is the one that the code of the allocation names.

        Raises:
            Refusal: it is another one: this is not our head-end.
        """
        try:
            found = x509.load_pem_x509_certificate(root.encode())
        except ValueError as error:
            raise DecodeError("certificate", "what came is no certificate") from error
        if found.fingerprint(hashes.SHA256()).hex() != self.state.root_digest:
            raise Refusal(("this is not the head-end that has allocated the device",))
        if self.state.root != root:
            self.keep(root=root)

    # Local data

    def seal(self, label: str, data: bytes) -> bytes:
        """Seal something for the device's own store. Raises Refusal: the device was sent away."""
        self._not_closed()
        return self.vault.seal(label, data)

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Open what was sealed; also with an expired identity, so that readings can still be delivered.

        Raises:
            Refusal: the device was sent away.
            LocalError: it was changed, or sealed by another device.
        """
        self._not_closed()
        return self.vault.unseal(label, sealed)

    def keep(self, **changes: object) -> None:
        """Change the state; it is on the disk when this returns."""
        state = msgspec.structs.replace(self.state, **changes)
        self.vault.save(msgspec.msgpack.encode(state))
        self.state = state

    def _not_closed(self) -> None:
        if self.state.closed:
            raise Refusal((WORDS[self.state.closed][0],))

    # TLS

    def context(self, held: Held) -> ssl.SSLContext:
        """How to call the head-end as this generation."""
        if self._prepared is None or self._prepared[0] is not held:
            context = client_context(self.state.root)
            _load(context, held)
            self._prepared = (held, context)
        return self._prepared[1]

    def check_server(self, der: bytes) -> None:
        """Hold the head-end's certificate to the trusted time. Raises Refusal.

        A clock that once ran far ahead and is right again must not keep the device from the only one that can tell it the
        time: what the clock says now counts, too, as long as it is not behind what the head-end said last.
        """
        found = x509.load_der_x509_certificate(der)
        moments = (self.now(), max(self._wall(), self.state.latest))
        valid = (found.not_valid_before_utc, found.not_valid_after_utc)
        if not any(valid[0] <= datetime.fromtimestamp(each, UTC) < valid[1] for each in moments):
            raise Refusal(
                (
                    f"the certificate of {HEAD_END_NAME} does not hold today: is the clock of this device right?",
                )
            )


def client_context(root: str) -> ssl.SSLContext:
    """TLS 1.3, only to a head-end of this root; no public authority counts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=root)
    context.verify_flags |= NO_CHECK_TIME
    return context


def stranger_context() -> ssl.SSLContext:
    """TLS 1.3 to anybody: only to fetch a root certificate that is then held against its digest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise LocalError("the key of this device is damaged; have it allocated again")
    return key


def _load(context: ssl.SSLContext, held: Held) -> None:
    """Give key and certificate to OpenSSL, which wants a file: one in memory, enciphered, and gone at once."""
    password = secrets.token_hex(32)
    sealed = _private(held.key).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    descriptor = os.memfd_create("kwhub identity")
    try:
        os.write(descriptor, sealed + held.chain.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=password)
    finally:
        os.close(descriptor)
