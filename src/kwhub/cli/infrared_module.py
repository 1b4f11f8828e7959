"""``kwhub infrared module``: read and set an infrared thermometer module."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from kwhub.cli.output import Exit, JsonFlag, print_json, print_table
from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.irmodule import read_items, write_item
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.protocols.irmodule import ITEMS, Client
from kwhub.runtime.clock import SystemClock

__all__ = ["module"]


def module(
    link: Annotated[str, Parameter(help="The line: serial:/dev/ttyUSB0?baud=9600&parity=none")],
    *,
    address: Annotated[int, Parameter(help="1 to 247; 0 means all, and nobody answers.")] = 1,
    set_: Annotated[
        str | None,
        Parameter(name="--set", help="Write address, baud or emissivity: emissivity=0.95"),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Read every item of an infrared thermometer module, or write one and read it back.

    A module that refuses gives exit code 1. Example:

        kwhub infrared module "serial:/dev/ttyUSB0?baud=9600" --set emissivity=0.95
    """
    conversation = read_items(address) if set_ is None else _write(address, set_)
    values = asyncio.run(_talk(link, conversation))
    if json:
        print_json({name: str(value) for name, value in (values or {}).items()})
        return Exit.OK
    units = {name: item.unit for item in ITEMS.values() for name in item.fields}
    rows = [(name, str(value), units[name]) for name, value in (values or {}).items()]
    print_table(("item", "value", "unit"), rows)
    return Exit.OK


def _write(address: int, text: str) -> Conversation[Mapping[str, Decimal] | None]:
    name, _, number = text.partition("=")
    item = next((row for row in ITEMS.values() if row.fields == (name,) and row.writable), None)
    if item is None:
        words = ", ".join(row.fields[0] for row in ITEMS.values() if row.writable)
        raise LocalError(f"{name!r} cannot be written; there are {words}: --set emissivity=0.95")
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise LocalError(f"{number!r} is not a number: --set {name}=...") from None
    return write_item(address, item.number, {name: value})


async def _talk(
    link: str, conversation: Conversation[Mapping[str, Decimal] | None]
) -> Mapping[str, Decimal] | None:
    clock = SystemClock()
    opened = await open_link(link, clock=clock)
    try:
        return await Driver(opened, Client(), clock).run(conversation)
    finally:
        await opened.aclose()
