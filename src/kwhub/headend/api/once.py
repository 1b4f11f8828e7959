"""The same order sent twice is one order: answers remembered by Idempotency-Key."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from litestar.exceptions import ClientException

__all__ = ["KEYS_MAX", "KEY_CHARACTERS_MAX", "Once"]

KEYS_MAX = 10_000
"""Keys that are remembered; the oldest is forgotten first."""

KEY_CHARACTERS_MAX = 255


class Once:
    """Runs an order once for each key, as long as the key is remembered by this process."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, tuple[Hashable, int]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def run(self, key: str, what: Hashable, order: Callable[[], Awaitable[int]]) -> int:
        """The order id of a key: that of the first call, else of a new order.

        Args:
            key: the caller's Idempotency-Key; empty means that every call is a new order.
            what: what is ordered, to tell a repetition from a key used for something else.
            order: places the order and returns its id.

        Raises:
            ClientException: the key was used for something else.
        """
        if not key:
            return await order()
        async with self._one_at_a_time:
            if key in self._done:
                known, order_id = self._done[key]
                if known != what:
                    raise ClientException(
                        "Idempotency-Key: used before for another order", status_code=422
                    )
                return order_id
            order_id = await order()
            self._done[key] = (what, order_id)
            while len(self._done) > KEYS_MAX:
                self._done.popitem(last=False)
            return order_id
