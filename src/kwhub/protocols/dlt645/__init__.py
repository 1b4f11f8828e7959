"""DL/T 645: the protocol of Chinese multi-function energy meters, editions 2007 and 1997.

Source: DL/T 645-2007 and DL/T 645-1997.
"""
