"""Key update: the keys of a set are collected, and written when the set is whole.

A cut between two keys leaves a meter with keys of two versions; the same set, sent again, finishes it. So the
key that new keys are opened with is written last.

Source: State Grid filings on security (070301: any order, MAC through file 16; 070201 to 070204: one by one) as
implemented by two public meter firmwares; contents of the four bytes of key information of 2009: kwhub.
"""

from typing import Final

from kwhub.prepay.element.files import KEY_FRAME
from kwhub.prepay.element.interface import Status
from kwhub.prepay.keys import Purpose
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.wire.requests import KeyPackage, UpdateKey2009, UpdateKeys
from kwhub.sim.prepay_core import Core, Window, WindowKind, refused

__all__ = ["KeyUpdate"]

_OF_2009: Final = {
    0x0702_01FF: Purpose.CONTROL,
    0x0702_02FF: Purpose.PARAMETER,
    0x0702_03FF: Purpose.IDENTITY,
    0x0702_04FF: Purpose.KEY_UPDATE,
}


class KeyUpdate:
    """New keys for one meter."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._window: Window | None = None
        self._found: dict[int, KeyPackage] = {}

    def take(self, request: UpdateKeys) -> int:
        """070301. Raises Denied.

        Returns:
            How many keys were written: 0 while the set is not whole.
        """
        core = self._core
        self._require(is_2009=False)
        packages = request.keys
        known = set(Purpose)
        if any(each.total > len(known) or each.number not in known for each in packages):
            raise refused(SecurityError.OTHER, "no such key")
        if core.driver.update(KEY_FRAME, 0, request.signed, request.mac) != Status.OK:
            raise refused(SecurityError.ELEMENT, "the MAC over the keys is wrong")
        if (
            core.window is not self._window
        ):  # what another session has sent cannot be opened any more
            self._window, self._found = core.window, {}
        self._found |= {each.number: each for each in packages}
        if len({each.total for each in self._found.values()}) != 1:
            self._found = {}
            raise refused(SecurityError.OTHER, "keys of different sets")
        if len(self._found) < packages[0].total:
            return 0
        found, self._found = self._found, {}
        for number in sorted(found):  # the key for keys has the highest number
            self._write(found[number].key)
        return len(found)

    def take_one(self, request: UpdateKey2009, identifier: int) -> int:
        """070201 to 070204. Raises Denied."""
        self._require(is_2009=True)
        if request.info[3] != _OF_2009[identifier]:
            raise refused(SecurityError.OTHER, "the key is not that of the identifier")
        signed = request.info + request.key
        if self._core.driver.update(KEY_FRAME, 0, signed, request.mac) != Status.OK:
            raise refused(SecurityError.ELEMENT, "the MAC over the key is wrong")
        self._write(request.key)
        return 1

    def _require(self, *, is_2009: bool) -> None:
        self._core.require(WindowKind.REMOTE)
        self._core.require_working()
        if self._core.profile.is_2009 is not is_2009:
            raise refused(SecurityError.OTHER, "keys come in the other way to this meter")

    def _write(self, sealed: bytes) -> None:
        if self._core.driver.write_key(sealed) != Status.OK:
            raise refused(SecurityError.ELEMENT, "the element does not take the key")
