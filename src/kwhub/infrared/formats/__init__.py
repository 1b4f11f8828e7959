"""Pulse files: mode2, raw lists, Pronto hex, Flipper .ir, VCD, CSV, sigrok .sr, JSON lines."""

from kwhub.infrared.formats.files import FORMATS, detect, read, read_trains, write
from kwhub.infrared.formats.trains import Train

__all__ = ["FORMATS", "Train", "detect", "read", "read_trains", "write"]
