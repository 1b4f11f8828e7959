"""What went wrong with peers, for the log: each kind once an hour for a device, with its number."""

from collections import Counter

import structlog

from kwhub.bluetooth.happenings import Happened, What
from kwhub.bluetooth.inspection import Violation
from kwhub.runtime.clock import Clock

__all__ = ["AGAIN_S", "DEVICES_MAX", "Notices"]

AGAIN_S = 3_600.0
DEVICES_MAX = 1_024
"""So many kinds and devices are told apart; a sender that changes its address fills no memory."""

OTHERS = "others"
TROUBLES = frozenset(
    {What.ADVERTISING_FAILED, What.BOND_LOST, What.PAIRING_FAILED, What.TURNED_AWAY}
)


class Notices:
    """Counts what went wrong, and logs it.

    Attributes:
        counts: how often each kind has come, of all devices.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing; ``clock`` says when an hour is over."""
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._since: dict[tuple[str, str], tuple[float, int]] = {}

    def violated(self, violation: Violation) -> None:
        """Inspection has found something."""
        side = "master" if violation.from_master else "slave"
        self._note(violation.kind, violation.peer, side=side, detail=violation.detail)

    def happened(self, happened: Happened) -> None:
        """A station tells of a peer; what is in order is not logged."""
        if happened.what in TROUBLES:
            self._note(happened.what.value, happened.address, detail=happened.detail)

    def _note(self, kind: str, device: str, **facts: str) -> None:
        self.counts[kind] += 1
        now = self._clock.monotonic()
        key = kind, device
        if key not in self._since and len(self._since) >= DEVICES_MAX:
            self._since = {
                each: last for each, last in self._since.items() if now - last[0] < AGAIN_S
            }
            if len(self._since) >= DEVICES_MAX:
                key = kind, OTHERS
        began, times = self._since.get(key, (-AGAIN_S + now, 0))
        if now - began < AGAIN_S:
            self._since[key] = began, times + 1
            return
        self._since[key] = now, 0
        log = structlog.get_logger("kwhub.bluetooth")
        log.warning(
            "trouble with a Bluetooth device", kind=kind, device=key[1], more=times, **facts
        )
