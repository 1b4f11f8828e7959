"""What a medium is to the counter and to whoever carries it: in software, or a card behind a reader.

Source: kwhub.
"""

from typing import Protocol

from kwhub.prepay.medium_load import Load, Usage
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.wire.terminal import CloseAndRestore, TerminalLogin, TerminalPurchase

__all__ = ["Medium"]


class Medium(Protocol):
    """See ``medium_element.MediumElement``, which says what each does and raises."""

    @property
    def is_issued(self) -> bool:
        """Whether it is paired with a meter."""

    @property
    def serial(self) -> bytes:
        """Eight bytes."""

    @property
    def meter(self) -> bytes:
        """Six bytes."""

    @property
    def customer(self) -> bytes:
        """Six bytes."""

    @property
    def versions(self) -> tuple[int, ...]:
        """Of its pair keys, the newest first."""

    @property
    def load(self) -> Load | None:
        """What it carries."""

    @property
    def usage(self) -> Usage | None:
        """What the meter told last."""

    @property
    def before(self) -> Usage | None:
        """What the meter told before it took the purchase."""

    @property
    def may_permit(self) -> bool:
        """Whether the counter lets it permit closing."""

    def begin_issue(self) -> bytes:
        """Begin to be paired."""

    def issue(self, serial: bytes, sealed: bytes, meter: bytes, customer: bytes) -> None:
        """Be paired."""

    def challenge(self) -> bytes:
        """Eight bytes, for one load."""

    def take(self, raw: bytes, given: bytes) -> bytes:
        """Take a load, and sign for it."""

    def log_in(self, version: int | None = None) -> TerminalLogin:
        """Begin a session with the meter."""

    def purchase(self, nonce: bytes) -> TerminalPurchase:
        """Sign the purchase."""

    def permit(self, nonce: bytes) -> CloseAndRestore:
        """Seal the permission to close."""

    def keep(self, run_information: bytes, mac: bytes) -> RunInformation:
        """Keep what the meter told."""
