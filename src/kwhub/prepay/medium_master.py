"""The counter's side of a medium: pair it, load it, believe what it brings back; all by asking the master crypto.

Source: kwhub.
"""

from kwhub.prepay import ciphers
from kwhub.prepay.element.driver import file_header
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.master import MasterCrypto
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

    def sign(self, factor: bytes, serial: bytes, challenge: bytes, load: Load) -> bytes:
        """Let a medium take a load. Raises LocalError when the load is for another meter."""
        return self._master.sign_load(factor, serial, challenge, load.to_bytes())

    def has_taken(
        self, factor: bytes, serial: bytes, challenge: bytes, load: Load, receipt: bytes
    ) -> bool:
        """Say whether the medium has signed that it holds this load and no other."""
        return self._master.check_receipt(factor, serial, challenge, load.to_bytes(), receipt)

    def is_genuine(self, factor: bytes, serial: bytes, nonce: bytes, usage: Usage) -> bool:
        """Say whether a usage was signed by the meter's element for this medium and this load."""
        header = file_header(RUN_INFORMATION, 0, RUN_INFORMATION_BYTES)
        told, mac = usage.run_information, usage.mac
        return ciphers.same(nonce, usage.nonce) and self._master.verify_return(
            factor, serial, nonce, header, told, mac
        )
