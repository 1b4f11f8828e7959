"""A simulated infrared thermometer module.

Source: published protocol of the infrared module, clauses 3 and 4 (single source).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.irmodule.frames import ADDRESS_MAX, READ
from kwhub.protocols.irmodule.items import ITEMS
from kwhub.protocols.irmodule.session import Asked, Module, Query, Reply
from kwhub.runtime.clock import Clock

__all__ = ["REPLY_DELAY_S", "IrModule", "serve_module"]

REPLY_DELAY_S = 0.02
EMISSIVITY_MAX = Decimal(1)
TARGET_LOW = Decimal(0)
TARGET_HIGH = Decimal(500)
AMBIENT_LOW = Decimal(-10)


@dataclass(slots=True)
class IrModule:
    """What a module knows; temperatures in degrees Celsius."""

    address: int = 1
    baud: Decimal = Decimal(9600)
    emissivity: Decimal = Decimal("0.950")
    target: Decimal = Decimal("30.0")
    ambient: Decimal = Decimal("25.0")

    @property
    def status(self) -> Decimal:
        """Bits of the system information."""
        return Decimal(
            (self.target < TARGET_LOW)
            + 2 * (self.target > TARGET_HIGH)
            + 4 * (self.ambient < AMBIENT_LOW)
        )

    def answer(self, query: Query) -> Reply:
        """Do what is asked, and say so."""
        item = ITEMS.get(query.item)
        if item is None or not (query.values is None or self._write(query.values)):
            return Reply(query.address, query.function, query.item, None)
        values: dict[str, Decimal] = {}
        if query.function == READ:
            values = {name: Decimal(getattr(self, name)) for name in item.fields}
        return Reply(query.address, query.function, query.item, values)

    def _write(self, values: Any) -> bool:
        for name, value in values.items():
            if name == "address":
                if not 1 <= value <= ADDRESS_MAX:
                    return False
                self.address = int(value)
            elif name == "baud":
                self.baud = value
            elif name == "emissivity" and 0 < value <= EMISSIVITY_MAX:
                self.emissivity = value
            else:
                return False
        return True


async def serve_module(
    link: Link, module: IrModule, clock: Clock, *, delay_s: float = REPLY_DELAY_S
) -> None:
    """Be a module on a link until it goes down."""
    machine = Module(module.address)

    async def answer(event: Any) -> Iterable[Any]:
        if not isinstance(event, Asked):
            return ()
        reply = module.answer(event.query)
        machine.address = module.address
        if event.silent:
            return ()
        await clock.sleep(delay_s)
        return (reply,)

    await attend(link, machine, clock, answer)
