"""AFN 01: initialise.

Source: Q/GDW 1376.2-2013, clause 5.2; F15 is one vendor's own.
"""

from kwhub.protocols.gdw1376_2.layouts import REST, Row

__all__ = ["AFN", "CLEAR_PARAMETERS", "CLEAR_ROUTES", "HARDWARE", "ROWS"]

AFN = 0x01
HARDWARE, CLEAR_PARAMETERS, CLEAR_ROUTES = 1, 2, 3

ROWS = (
    Row(HARDWARE, "reset hardware", "硬件初始化", confirmed=True),
    Row(CLEAR_PARAMETERS, "clear parameters and archive", "参数区初始化", confirmed=True),
    Row(CLEAR_ROUTES, "clear routes", "数据区初始化", confirmed=True),
    Row(15, "vendor function", "厂商自定义", REST, REST, "vendor"),
)
