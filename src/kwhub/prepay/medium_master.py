"""The counter's side of a medium: pair it, load it, believe what it brings back; all by asking the master crypto.

Source: kwhub.
"""

from kwhub.prepay import ciphers
from kwhub.prepay.element.driver import file_header
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.master_crypto import MasterCrypto
from kwhub.prepay.medium_element import PAIRS_MAX
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.medium_load import Load, Usage
from kwhub.prepay.run_information import RUN_INFORMATION_BYTES

__all__ = ["MediumMaster"]


class MediumMaster:
    """The counter's side of a medium.

    Args:
        master: makes and uses the key of a pair; nobody here sees it.
    """

    def __init__(self, master: MasterCrypto) -> None:
        self._master = master

    def pair(self, medium: Medium, serial: bytes, meter: bytes, customer: bytes) -> None:
        """Issue a blank medium, or give an issued one the pair keys that it lacks.

        A medium has one for each version that its meter may have, so that it works before a key update and after it.

        Args:
            medium: blank, or issued to this meter and customer.
            serial: of the medium, eight bytes.
            meter: number, six bytes.
            customer: number, six bytes.

        Raises:
            LocalError, Refusal: as ``MediumElement.issue``.
        """
        held = medium.versions if medium.is_issued else ()
        wanted = self._master.versions[:PAIRS_MAX]
        for version in [each for each in wanted if each not in held][::-1]:
            public, factor = medium.begin_issue(), bytes(2) + meter
            sealed = self._master.seal_pair(factor, serial, customer, public, version)
            medium.issue(serial, sealed, meter, customer)

    def sign(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: Load,
        version: int | None = None,
    ) -> bytes:
        """Let a medium take a load, whose newest pair key has this version. Raises LocalError for another meter's load."""
        return self._master.sign_load(factor, serial, challenge, load.to_bytes(), version)

    def has_taken(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: Load,
        receipt: bytes,
        version: int | None = None,
    ) -> bool:
        """Say whether the medium has signed that it holds this load and no other."""
        raw = load.to_bytes()
        return self._master.check_receipt(factor, serial, challenge, raw, receipt, version)

    def is_genuine(self, factor: bytes, serial: bytes, nonce: bytes, usage: Usage) -> bool:
        """Say whether a usage was signed by the meter's element for this medium and this load."""
        header = file_header(RUN_INFORMATION, 0, RUN_INFORMATION_BYTES)
        told, mac = usage.run_information, usage.mac
        return ciphers.same(nonce, usage.nonce) and self._master.verify_return(
            factor, serial, nonce, header, told, mac
        )
