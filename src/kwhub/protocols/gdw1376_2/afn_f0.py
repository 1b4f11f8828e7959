"""AFN F0: debugging, different with every vendor; the bytes stay as they are.

Source: Q/GDW 1376.2-2013, clause 5 (table of AFNs).
"""

from kwhub.protocols.gdw1376_2.layouts import Row

__all__ = ["AFN", "ROWS"]

AFN = 0xF0

ROWS: tuple[Row, ...] = ()
