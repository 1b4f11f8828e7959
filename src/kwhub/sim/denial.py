"""A meter's no, on its way to the answer.

Source: DL/T 645-2007, clause 7 (ERR); the bits that are used have the same place in 1997.
"""

from kwhub.protocols.dlt645.refusals import Error2007

__all__ = ["Denied", "NoSuchData", "not_authorised", "other_error"]


class Denied(Exception):
    """The meter does not do this.

    Attributes:
        error: the error word.
        size: its bytes.
    """

    def __init__(self, error: int, detail: str, *, size: int = 1) -> None:
        super().__init__(detail)
        self.error = error
        self.size = size


class NoSuchData(Denied):
    """The meter does not keep this."""

    def __init__(self, detail: str) -> None:
        super().__init__(Error2007.NO_SUCH_DATA, detail)


def not_authorised(detail: str) -> Denied:
    """Wrong password, too low a level, no key, or an order that the state of the meter forbids."""
    return Denied(Error2007.NOT_AUTHORISED, detail)


def other_error(detail: str) -> Denied:
    """What no other bit stands for; in 1997 the same bit says illegal data."""
    return Denied(Error2007.OTHER, detail)
