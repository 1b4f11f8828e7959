"""A capture as it comes from a bus: answers of many meters with their wake-up bytes, from a seed."""

from decimal import Decimal
from random import Random

from kwhub.protocols.dlt645.frames import END, PREAMBLE, Frame645
from kwhub.protocols.dlt645.items import encode

__all__ = ["FORMATS", "capture"]

FORMATS = {
    0x0001_0000: ("XXXXXX.XX", 79_999_999),
    0x0002_0000: ("XXXXXX.XX", 9_999_999),
    0x0201_0100: ("XXX.X", 2_600),
    0x0202_0100: ("XXX.XXX", 60_000),
    0x0203_0000: ("XX.XXXX", 79_999),
}
"""Identifier to format and largest scaled value: ``dlt645`` takes the top bit of any number for a sign."""


def capture(size: int, seed: int = 1) -> tuple[bytes, list[Decimal]]:
    """At least ``size`` bytes of answers with one value each, and the values in them.

    No frame has a byte 16 or FE inside: ``python-dlt645`` ends a frame at the first 16 and leaves every
    FE out, and all are to be given the same work.
    """
    random = Random(seed)
    line = bytearray()
    values: list[Decimal] = []
    while len(line) < size:
        identifier = random.choice(list(FORMATS))
        notation, most = FORMATS[identifier]
        value = Decimal(random.randrange(most)).scaleb(-len(notation.partition(".")[2]))
        data = identifier.to_bytes(4, "little") + encode(identifier, [value])
        raw = Frame645(f"{random.randrange(10**12):012d}", 0x91, data).to_bytes()
        if END in raw[:-1] or PREAMBLE in raw:
            continue
        line += bytes([PREAMBLE]) * random.randrange(5) + raw
        values.append(value)
    return bytes(line), values
