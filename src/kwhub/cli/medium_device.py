"""``kwhub medium device`` and ``simulate``: the key-ring's face, and a cost-control meter to hold it to."""

import secrets
import sys
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import Parameter

from kwhub.cli.counter import MediumOption, open_keys, open_medium
from kwhub.cli.medium import AddressOption
from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.read import WaitOption
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import LocalError
from kwhub.keyring.device import KeyRing
from kwhub.keyring.port import attend_counter
from kwhub.links.address import open_link
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import KeySet, KeySource, MasterKeys, factor_of
from kwhub.prepay.medium_card import MediumCard
from kwhub.prepay.medium_element import MediumElement
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.tariff import TARIFF_NOW, TariffSet
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_file import FileMemory
from kwhub.sim.prepay_store import MEMORY_BYTES

__all__ = ["show_device", "simulate_prepaid"]

_DIGITS = 12
_PRICE = 5_600
"""Of a kWh in the simulated meter, 0.0001 of the currency."""


async def show_device(
    *,
    medium: MediumOption,
    link: Annotated[
        str, Parameter(help="The way to the meter: ir:serial:/dev/ttyUSB1, serial:...")
    ],
    counter: Annotated[
        str | None,
        Parameter(help="The way to the counter, which is answered meanwhile: tcp-listen:..., pty:"),
    ] = None,
    meter: AddressOption = None,
    wait_s: WaitOption = 2.0,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show the face of a key-ring: Enter loads, the arrows turn the meter's pages, Esc ends.

    With --json it shows no face: it answers the counter until Ctrl-C. Example:

        kwhub medium device --medium wang.medium --link ir:serial:/dev/ttyUSB1
    """
    clock = SystemClock()
    with open_medium(medium, blank=True) as element:
        device = KeyRing(element, link, clock, meter, wait_s)
        if json:
            await _answer(device, element, counter)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise LocalError("the face needs a terminal; 'kwhub medium visit' does without")
        from kwhub.keyring.face import KeyRingFace  # noqa: PLC0415 - Textual is slow to load

        card = _card(element) if counter is not None else None
        await KeyRingFace(device, pick_language(language), counter=counter, card=card).run_async()
    return Exit.OK


def _card(element: Medium) -> MediumCard:
    if not isinstance(element, MediumElement):
        raise LocalError("a card in a reader answers the counter by itself: leave --counter out")
    return MediumCard(element)


async def _answer(device: KeyRing, element: Medium, counter: str | None) -> NoReturn:
    if counter is None:
        raise LocalError("with --json the key-ring answers a counter: give --counter")
    cancel_on_terminate()
    card = _card(element)
    while True:
        link = await open_link(counter, clock=device.clock)
        serial = element.serial.hex() if element.is_issued else None
        print_json({"counter": _callable(link.facts.address), "medium": serial})
        try:
            await attend_counter(link, card)
        finally:
            await link.aclose()


def _callable(address: str) -> str:
    """What the other side opens."""
    return address.replace("tcp-listen:", "tcp:", 1).replace("pty:", "serial:", 1)


async def simulate_prepaid(
    number: str,
    *,
    link: Annotated[str, Parameter(help="Its window or line: ir:sim:tcp-listen:..., tcp-listen:")],
    folder: Annotated[Path, Parameter(help="Where its two memories are; made when new.")],
    root_key: Annotated[str | None, Parameter(name="--root-key")] = None,
    infrared: Annotated[bool, Parameter(help="Whether the link is its guarded window.")] = True,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Be a cost-control meter with an element and memories of its own, until Ctrl-C.

    Its element is personalised with the root keys at the first start; killed at any moment, it goes on like a
    meter whose power was cut. Example:

        kwhub medium simulate 202611200001 --link ir:sim:tcp-listen:127.0.0.1:6456 --folder meter

    Parameters
    ----------
    number
        Its number, 12 digits.
    root_key
        As for 'kwhub vend', a file.
    """
    if not (len(number) == _DIGITS and number.isdigit()):
        raise LocalError(f"a meter's number has {_DIGITS} digits, not {number!r}")
    cancel_on_terminate()
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    chip = FileMemory(folder / "element", ELEMENT_BYTES)
    own = FileMemory(folder / "memory", MEMORY_BYTES)
    try:
        meter = _meter(number, chip, own, root_key, clock)
        while True:
            window = await open_link(link, clock=clock)
            _announce(window.facts.address, number, pick_language(language), json=json)
            try:
                await serve_meters(window, [meter], clock, infrared=infrared)
            finally:
                await window.aclose()
    finally:
        chip.close()
        own.close()


def _announce(address: str, number: str, language: Language, *, json: bool) -> None:
    where = _callable(address)
    if json:
        print_json({"link": where, "meter": number})
    elif language == ZH:
        say(f"电表 {number} 已就绪：{where}。按 Ctrl-C 结束。")
    else:
        say(f"Meter {number} is ready: {where}. Ctrl-C stops.")


def _meter(
    number: str, chip: FileMemory, own: FileMemory, root_key: str | None, clock: SystemClock
) -> SimulatedMeter:
    element = SoftwareElement(chip, secrets.token_bytes)
    is_new = set(chip.read(0, ELEMENT_BYTES)) == {0xFF}
    if is_new:
        with open_keys(root_key) as keys:
            made = _key_set(keys.source, number)
        element.personalise(number.encode()[-8:], bytes.fromhex(number), made)
    unit = PrepaymentUnit(element, own)
    area = TransformerArea(1, start=clock.now(), meters=3, concentrators=1, buses=1)
    place = next(place for place in area.places if place.kind != "supply")
    meter = SimulatedMeter(number, place.meter.load, prepayment=unit)
    if is_new:
        unit.core.store.keep_tariff(TARIFF_NOW, TariffSet((_PRICE,) * 4).to_bytes())
        unit.consumption.replan()
    return meter


def _key_set(source: KeySource, number: str) -> KeySet:
    if not isinstance(source, MasterKeys):
        raise LocalError("the simulated meter takes root keys from a file only")
    return source.key_set(factor_of(number))
