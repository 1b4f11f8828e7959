"""AFN 01: reset, down with PW, answered by AFN 00.

Source: Q/GDW 1376.1-2013, clause 5.2.
"""

from kwhub.protocols.gdw1376.layouts import Row

__all__ = ["AFN", "ROWS"]

AFN = 0x01

ROWS = (
    Row(1, "hardware initialisation", "硬件初始化", (), None),
    Row(2, "data area initialisation", "数据区初始化", (), None),
    Row(3, "parameters and data to factory state", "参数及全体数据区初始化", (), None),
    Row(
        4,
        "parameters except head-end communication, and data",
        "参数（除与主站通信有关的）及全体数据区初始化",
        (),
        None,
    ),
)
