"""A slave's memory of what it said last, for a master that did not hear it.

Source: EN 13757-2, frame count bit: the same frame again asks for the same answer again; SND_NKE clears it.
"""

from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import FrameMbus

__all__ = ["RepeatMemory"]


class RepeatMemory:
    """The last counted frame and its answer, for each address that was used."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[FrameMbus, FrameMbus]] = {}

    def recall(self, asked: FrameMbus) -> FrameMbus | None:
        """The answer that was given when this very frame came last; None when it is a new one.

        A selection is never a repeat: who answers to it may have changed in between.
        """
        if asked.control == c.SND_NKE:
            self.forget(asked.address)
            return None
        last = self._last.get(asked.address)
        return last[1] if last is not None and last[0] == asked else None

    def keep(self, asked: FrameMbus, said: FrameMbus) -> None:
        """Remember an answer."""
        if asked.control & c.FCV and asked.ci != c.CI_SELECT:
            self._last[asked.address] = (asked, said)

    def forget(self, address: int) -> None:
        """The link of an address is reset; the address of all resets every link."""
        if address == c.ADDRESS_ALL:
            self._last.clear()
        else:
            self._last.pop(address, None)
