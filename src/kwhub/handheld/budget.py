"""What a device may do without asking: counted uses of an operation at a meter, until a moment.

A use is on the disk before the operation begins, so a power cut costs a use and never wins one. When the clock was set
back, everything rests until the head-end has told the time again. The counts lie in the sealed file of the device:
whoever copies the whole disk and puts it back has them anew, until the copy shows at the next renewal.

Source: kwhub; a counted offline budget follows the safety units of State Grid's field terminals (single source).
"""

import msgspec

from kwhub.domain.errors import Refusal
from kwhub.exchange.device_messages import Operation, Work
from kwhub.handheld.identity import Identity
from kwhub.handheld.state import HeldGrant

__all__ = ["Budget"]


class Budget:
    """The grants of one device."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def take(self, work: Work) -> None:
        """Take the grants of the open work orders; what was recalled or is finished goes, uses stay counted."""
        used = {each.id: each.used for each in self._identity.state.grants}
        grants = tuple(
            HeldGrant(
                each.id,
                each.meter,
                each.operation,
                each.uses,
                each.not_after,
                used.get(each.id, 0),
            )
            for order in work.orders
            for each in order.grants
        )
        if grants != self._identity.state.grants:
            self._identity.keep(grants=grants)

    def spend(self, meter: str, operation: Operation) -> HeldGrant:
        """Use a grant once; call this before anything is sent to the meter.

        Returns:
            The grant, with this use counted.

        Raises:
            Refusal: nothing grants it: no grant, used up, over, the clock was set back, or the identity
                does not hold. Reading what was collected, and uploading it, needs no grant.
        """
        identity = self._identity
        now = identity.now()
        identity.require()
        state = identity.state
        if state.frozen:
            raise Refusal(("the clock was set back: connect to the head-end first",))
        fitting = [
            each for each in state.grants if (each.meter, each.operation) == (meter, operation)
        ]
        if not fitting:
            raise Refusal((f"nothing allows {operation} at meter {meter}",))
        timely = [each for each in fitting if now < each.not_after]
        if not timely:
            raise Refusal((f"the time for {operation} at meter {meter} is over",))
        grant = next((each for each in timely if each.used < each.uses), None)
        if grant is None:
            raise Refusal((f"{operation} at meter {meter} is used up",))
        spent = msgspec.structs.replace(grant, used=grant.used + 1)
        grants = tuple(spent if each.id == grant.id else each for each in state.grants)
        identity.keep(grants=grants, seen=max(now, state.known))
        return spent

    def left(self, meter: str, operation: Operation) -> int:
        """How many uses are left, for the screen."""
        now, state = self._identity.now(), self._identity.state
        return sum(
            each.uses - each.used
            for each in state.grants
            if (each.meter, each.operation) == (meter, operation) and now < each.not_after
        )

    def used(self) -> tuple[tuple[int, int], ...]:
        """Number of each grant and its uses, to be told with an upload."""
        return tuple((each.id, each.used) for each in self._identity.state.grants if each.used)
