"""One register, its name in every protocol."""

from kwhub.catalog.names import (
    from_dlt645,
    from_gdw_curve,
    from_gdw_day_freeze,
    to_dlt645,
    to_gdw_curve,
    to_gdw_day_freeze,
)
from kwhub.catalog.registers import REGISTERS, RegisterInfo, describe, parse_register

__all__ = [
    "REGISTERS",
    "RegisterInfo",
    "describe",
    "from_dlt645",
    "from_gdw_curve",
    "from_gdw_day_freeze",
    "parse_register",
    "to_dlt645",
    "to_gdw_curve",
    "to_gdw_day_freeze",
]
