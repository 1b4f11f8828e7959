"""Pairing of master and slave: which ways there are, who is asked, and what is dropped.

The stack accepts just-works and legacy pairing even where both are forbidden and calls every
pairing authenticated; so the policy is enforced here: a bond that is not LE Secure Connections
(P-256) with an authenticated key is never stored, and its link is ended.

Source: Core 5.4, Vol 3, Part H, 2.3.5 (pairing methods).
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import AddressResolver, ErrorCode, OobContext, OobSharedData, PairingMethod, Session

from kwhub.bluetooth.keystore import KeyFile

__all__ = ["Asked", "CheckedSession", "OutOfBand", "Pairing", "Way", "pairing_config"]

IoCapability = PairingDelegate.IoCapability
PASSKEYS = range(1_000_000)
"""Six digits.  Source: Core 5.4, Vol 3, Part H, 2.3.5.3."""


class Way(Enum):
    """How the two sides make sure that they talk to each other."""

    COMPARE = "compare"  #: both show six digits, people on both sides say that they are the same
    SHOW = "show"  #: this side shows a passkey that is typed on the other
    TYPE = "type"  #: this side is typed the passkey that the other shows
    OUT_OF_BAND = "oob"  #: data came another way, such as a QR code on the nameplate


CAPABILITIES = {
    Way.COMPARE: IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
    Way.SHOW: IoCapability.DISPLAY_OUTPUT_ONLY,
    Way.TYPE: IoCapability.KEYBOARD_INPUT_ONLY,
    Way.OUT_OF_BAND: IoCapability.NO_OUTPUT_NO_INPUT,
}


async def _refuse(_number: int) -> bool:
    return False


async def _nobody() -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers the questions of pairing; by default nobody, and pairing is refused."""

    same: Callable[[int], Awaitable[bool]] = _refuse  #: are these six digits shown there too
    typed: Callable[[], Awaitable[int | None]] = _nobody  #: the passkey; None gives up
    show: Callable[[int], None] = lambda _passkey: None  #: show this passkey


class OutOfBand:
    """What two devices tell each other another way than by Bluetooth."""

    def __init__(self) -> None:
        self.context = OobContext()
        self.peer: OobSharedData | None = None

    @property
    def shared(self) -> bytes:
        """32 bytes to be carried to the other side: confirmation value and random value."""
        data = self.context.share()
        return bytes(data.c + data.r)

    def take(self, shared: bytes) -> None:
        """Take what the other side's ``shared`` was."""
        self.peer = OobSharedData(c=shared[:16], r=shared[16:])


@dataclass(slots=True)
class Pairing:
    """The pairing policy of a node, as it stands.

    Attributes:
        way: how this side can be sure of the other.
        asked: who answers questions.
        is_open: whether anybody may pair now; a person opens it for a while.
        enforced: False lets links without any pairing pass data, for modules that know none.
    """

    way: Way = Way.COMPARE
    asked: Asked = field(default_factory=Asked)
    is_open: bool = False
    enforced: bool = True
    out_of_band: OutOfBand | None = None


class _Passkey(int):
    """The stack takes 000000 for no passkey, and then fails; it is one like any other."""

    def __bool__(self) -> bool:
        return True


class _Delegate(PairingDelegate):
    """Hands the questions of the stack to whoever is asked."""

    def __init__(self, pairing: Pairing) -> None:
        super().__init__(io_capability=CAPABILITIES[pairing.way])
        self.pairing = pairing

    async def accept(self) -> bool:
        return self.pairing.is_open

    async def confirm(self, auto: bool = False) -> bool:  # noqa: FBT001, FBT002 - the stack's
        del auto
        return False  # asked for just works only

    async def compare_numbers(self, number: int, digits: int) -> bool:
        del digits
        return await self.pairing.asked.same(number)

    async def get_number(self) -> int | None:
        typed = await self.pairing.asked.typed()
        return _Passkey(typed) if typed is not None and typed in PASSKEYS else None

    async def generate_passkey(self) -> int:
        return _Passkey(secrets.choice(PASSKEYS))

    async def display_number(self, number: int, digits: int) -> None:
        del digits
        self.pairing.asked.show(number)


def pairing_config(pairing: Pairing) -> PairingConfig:
    """What the stack is told about the pairing of one link."""
    oob = None
    if pairing.way is Way.OUT_OF_BAND and pairing.out_of_band is not None:
        oob = PairingConfig.OobConfig(
            our_context=pairing.out_of_band.context,
            peer_data=pairing.out_of_band.peer,
            legacy_context=None,
        )
    return PairingConfig(
        sc=True,
        mitm=True,
        bonding=True,
        delegate=_Delegate(pairing),
        identity_address_type=PairingConfig.AddressType.RANDOM,
        oob=oob,
    )


ALLOWED = {
    Way.COMPARE: PairingMethod.NUMERIC_COMPARISON,
    Way.SHOW: PairingMethod.PASSKEY,
    Way.TYPE: PairingMethod.PASSKEY,
    Way.OUT_OF_BAND: PairingMethod.OOB,
}


class CheckedSession(Session):
    """A pairing of the stack that goes on only in the way that was chosen.

    Without this a peer that merely claims to have out-of-band data is paired without any check and
    counts as authenticated; and a peer could store its key under the address of another device.
    """

    @property
    def is_allowed(self) -> bool:
        """Whether the method that came out of the negotiation is the one that was chosen."""
        delegate = self.pairing_config.delegate
        if not isinstance(delegate, _Delegate) or not self.sc:
            return False
        method = ALLOWED[delegate.pairing.way]
        if method is PairingMethod.OOB and self.peer_oob_data is None:
            return False
        return self.pairing_method is method

    def send_pairing_response_command(self) -> None:
        """The answering side has the method now."""
        if self._checked():
            super().send_pairing_response_command()

    def send_public_key_command(self) -> None:
        """The asking side has the method now."""
        if self._checked():
            super().send_public_key_command()

    def send_pairing_confirm_command(self) -> None:
        """The asking side of legacy pairing does not come by the public key."""
        if self._checked():
            super().send_pairing_confirm_command()

    async def on_pairing(self) -> None:
        """All keys are exchanged; the identity that the peer claims must be its own."""
        if not self._is_who_it_claims():
            self.send_pairing_failed(ErrorCode.INVALID_PARAMETERS)
            return
        await super().on_pairing()

    def _is_who_it_claims(self) -> bool:
        """Whether the address of the link belongs to the identity, and no bond of another is lost.

        A resolvable address proves an identity only with the key that was sent along.  Source:
        Core 5.4, Vol 3, Part C, 10.8.2.3.
        """
        used = self.connection.peer_address
        claimed = self.peer_bd_addr or used
        irk = cast("bytes | None", self.peer_identity_resolving_key)
        if claimed != used:
            if irk is None or not any(irk) or not used.is_resolvable:
                return False
            if AddressResolver([(irk, claimed)]).resolve(used) is None:
                return False
        store = self.manager.device.keystore
        if isinstance(store, KeyFile) and store.refuses(str(claimed), irk):
            store.refused += 1
            return False
        return not claimed.is_resolvable

    def _checked(self) -> bool:
        if self.completed:
            return False
        if not self.is_allowed:
            self.send_pairing_failed(ErrorCode.AUTHENTICATION_REQUIREMENTS)
            return False
        return True
