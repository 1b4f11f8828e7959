"""Pulse codes: remote controls, the remote-module code, IrDA SIR and the meters' bytes over light."""

from kwhub.infrared.codes.answers import Decoded
from kwhub.infrared.codes.scan import AUTO, CODES, decode, encode

__all__ = ["AUTO", "CODES", "Decoded", "decode", "encode"]
