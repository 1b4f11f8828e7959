"""AFN 08: ask a cascaded terminal for its report.

Source: Q/GDW 1376.1-2013, clause 5.8; single source.
"""

from kwhub.protocols.gdw1376.layouts import Row

__all__ = ["AFN", "ROWS"]

AFN = 0x08

ROWS = (Row(1, "report wanted", "请求被级联终端主动上报", (), (), single_source=True),)
