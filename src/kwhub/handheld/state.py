"""What a device knows of itself, as it lies sealed in its vault: one structure, written whole at every change."""

import msgspec

__all__ = ["Held", "HeldGrant", "State"]


class Held(msgspec.Struct, frozen=True):
    """One generation of the identity: a key, and its certificate when there is one."""

    key: bytes = b""  #: PKCS #8 in PEM
    chain: str = ""  #: certificate and its CA, PEM; empty: asked for, not certified yet
    generation: int = 0
    not_after: int = 0  #: all times are seconds since 1970 UTC
    renew_at: int = 0

    def __repr__(self) -> str:
        """Without the key."""
        return f"Held(generation={self.generation})"


class HeldGrant(msgspec.Struct, frozen=True):
    """Leave to do something at a meter, and how often it was used."""

    id: int
    meter: str
    operation: str
    uses: int
    not_after: int
    used: int = 0


class State(msgspec.Struct, frozen=True):
    """Everything.

    ``next`` is written before its key is sent anywhere; from when it has a certificate, it is the only one that is
    used, because its first use ends ``current`` at the head-end, whether the answer arrives or not.
    """

    device: str
    at: str  #: host and port of the head-end
    enrol: str
    root_digest: str
    secret: str = ""  #: of the allocation, until the first identity is used
    root: str = ""  #: certificate of the root, PEM
    current: Held | None = None
    next: Held | None = None
    closed: str = ""  #: why the head-end has sent this device away; empty: it has not
    latest: int = 0  #: what the head-end's clock said at the last contact
    seen: int = 0  #: the latest moment that this device has seen since, by its own clock
    offset_s: int = 0  #: own clock minus the head-end's, at the last contact
    frozen: bool = False  #: the clock was set back: grants rest until the next contact
    grants: tuple[HeldGrant, ...] = ()

    @property
    def known(self) -> int:
        """The latest moment that this device knows of."""
        return max(self.latest, self.seen)

    def __repr__(self) -> str:
        """Without secrets."""
        return f"State(device={self.device!r})"
