"""A head-end that sells, a real concentrator, and one cost-control meter on its bus."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.headend.whole import Whole
from tests.sim.prepay_site import KEYS, draw

from kwhub.headend.config import Vending
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import factor_of
from kwhub.prepay.memory import RamMemory
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_store import MEMORY_BYTES

__all__ = ["CUSTOMER", "Shop", "root_keys", "settings_in"]

CUSTOMER = "000000012345"


def root_keys(folder: Path) -> Path:
    """The file with the root keys of the tests' meters."""
    path = folder / "root.key"
    path.write_text(f"1 {bytes(range(16)).hex()}\n2 {bytes(range(16, 32)).hex()}\n")
    path.chmod(0o600)
    return path


def settings_in(folder: Path, **more: Any) -> Vending:
    """The table [vending] with everything in one folder."""
    ledger, book = str(folder / "vending.sqlite"), str(folder / "book.sqlite")
    return Vending(ledger=ledger, book=book, root_key=str(root_keys(folder)), **more)


class Shop(Whole):
    """The first customer's meter wants to be paid before; ``number`` is its address."""

    def __init__(self, clock, folder, **more):
        super().__init__(clock, folder, **more)
        place = next(each for each in self.area.places if each.kind != "supply")
        self.place, self.number = place, place.meter.address
        self.element = SoftwareElement(RamMemory(ELEMENT_BYTES), draw("shop"))
        keys = KEYS.key_set(factor_of(self.number), 2)
        self.element.personalise(b"SERIAL01", bytes.fromhex(self.number), keys)
        unit = PrepaymentUnit(self.element, RamMemory(MEMORY_BYTES))
        self.replaced[self.number] = SimulatedMeter(self.number, place.meter.load, prepayment=unit)
        self.unit = unit

    def settings(self, **orders):
        return replace(super().settings(**orders), vending=settings_in(self.folder))

    @property
    def meter(self):
        """As the head-end's archive knows it."""
        known = self.headend.store.archive.meters.values()
        return next(each for each in known if each.address == self.number)
