"""Log in and recharge, both ends on one core, against the raw SM4 speed of ``cryptography`` in the same run.

One purchase is: the master's cipher and two MACs, four exchanges with a simulated meter (log in, recharge, and the
status that its element signs), the element's own checks, the write-ahead and both memories in two slots.
"""

from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from benchmarks.result import Result
from kwhub.domain.machine import Conversation
from kwhub.prepay.conversations import open_account, recharge
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import MasterKeys, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.sessions import Target, log_in
from kwhub.runtime.chance import seeded
from kwhub.sim.climate import DAY_S, Climate
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_store import MEMORY_BYTES
from kwhub.sim.shapes import Kind

__all__ = ["run"]

METER = "202611200001"
CUSTOMER = bytes.fromhex("000000012345")
DAY = 20_500
AT_S = (DAY + 2) * DAY_S
PURCHASES = 600
BLOCKS = 20_000
ROUNDS = 3


def _raw_blocks() -> float:
    """SM4 blocks a second, each with a context of its own, as short MACs need it."""
    key, block = bytes(range(16)), bytes(16)
    start = perf_counter()
    for _ in range(BLOCKS):
        encryptor = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()  # noqa: S305 - one block
        encryptor.update(block)
        encryptor.finalize()
    return BLOCKS / (perf_counter() - start)


class _World:
    """A master and a meter with an open account."""

    def __init__(self) -> None:
        keys, draw = MasterKeys({1: bytes(range(16))}), seeded(1, "benchmark").randbytes
        element = SoftwareElement(RamMemory(ELEMENT_BYTES), draw)
        element.personalise(b"SERIAL01", bytes.fromhex(METER), keys.key_set(factor_of(METER)))
        unit = PrepaymentUnit(element, RamMemory(MEMORY_BYTES))
        load = CustomerLoad(Kind.SHOP, 3, Climate(1, DAY), utc_offset_s=28_800)
        self.element = element
        self.meter = SimulatedMeter(METER, load, prepayment=unit)
        self.master = SoftwareMaster(keys, draw)
        self.target = Target(METER, METER)
        self.converse(open_account(self.master, self.target, 100, CUSTOMER))

    def converse(self, conversation: Conversation[Any]) -> None:
        """Run it to its end, without a line."""
        event = None
        try:
            while True:
                reply = self.meter.answer(conversation.send(event), AT_S)
                event = None if reply is None else reply.message
        except StopIteration:
            return

    def purchases(self, first: int) -> float:
        """Purchases a second."""
        start = perf_counter()
        for count in range(first, first + PURCHASES):
            self.converse(recharge(self.master, self.target, 1, count, CUSTOMER))
        return PURCHASES / (perf_counter() - start)

    def logins(self) -> float:
        """Sessions a second."""
        start = perf_counter()
        for _ in range(PURCHASES):
            self.converse(log_in(self.master, self.target))
        return PURCHASES / (perf_counter() - start)


def run() -> list[Result]:
    """The best of some rounds."""
    world, raw, bought, opened = _World(), 0.0, 0.0, 0.0
    for number in range(ROUNDS):
        raw = max(raw, _raw_blocks())
        opened = max(opened, world.logins())
        bought = max(bought, world.purchases(2 + number * PURCHASES))
    if world.element.wallet != (100 + ROUNDS * PURCHASES, 1 + ROUNDS * PURCHASES):
        raise SystemExit(f"the wallet shows {world.element.wallet}: nothing was measured")
    against = "SM4 blocks of cryptography"
    return [
        Result("login, both ends", opened, raw, "logins/s", against),
        Result("login + recharge + signed status", bought, raw, "purch./s", against),
    ]
