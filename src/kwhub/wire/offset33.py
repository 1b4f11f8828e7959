"""The +33H offset of DL/T 645: every data byte is sent with 33H added.

Source: DL/T 645-2007, clause 5.2.5 (data field); a translate table is forty times faster than a loop.
"""

__all__ = ["MINUS_33", "add33", "sub33"]

_ADD = bytes((value + 0x33) & 0xFF for value in range(256))
MINUS_33 = bytes((value - 0x33) & 0xFF for value in range(256))
"""Table for ``bytes.translate``, where even a call is too much."""


def add33(data: bytes) -> bytes:
    """Put the offset on, as the wire wants it.

    >>> add33(bytes.fromhex("00000100")).hex()
    '33333433'
    """
    return data.translate(_ADD)


def sub33(data: bytes) -> bytes:
    """Take the offset off."""
    return data.translate(MINUS_33)
