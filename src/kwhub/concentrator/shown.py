"""What a meter shows when somebody looks at it now."""

from decimal import Decimal
from typing import NamedTuple

from kwhub.domain.readings import Register

__all__ = ["Shown"]


class Shown(NamedTuple):
    """One register of a meter."""

    register: Register
    value: Decimal | str | None  #: in ``unit``; None when there is none
    unit: str
    error: str = ""  #: why it could not be had
