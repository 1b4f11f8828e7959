"""From when until when the certificates of a file are valid, read without any library.

Source: RFC 5280, 4.1 (Certificate, Validity, UTCTime and GeneralizedTime); X.690 (DER lengths).
"""

import binascii
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kwhub.domain.errors import DecodeError

__all__ = ["Validity", "validities"]

_PEM = re.compile(
    r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)
_VERSION, _UTC_TIME, _GENERALIZED = 0xA0, 0x17, 0x18
_LONG_FORM = 0x80
_CENTURY_TURNS = 50  # a year of two digits below this is 20xx


class Validity(NamedTuple):
    """Both ends, aware, UTC."""

    begin: datetime
    end: datetime


def validities(path: str) -> list[Validity]:
    """Of each certificate in a PEM file, in order; empty when there is none.

    Raises:
        OSError: the file cannot be read.
        DecodeError: what stands there is no certificate.
    """
    text = Path(path).read_text(encoding="ascii", errors="replace")
    return [_validity(found) for found in _PEM.findall(text)]


def _validity(pem: str) -> Validity:
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.replace("TRUSTED ", ""))
        (_, certificate) = next(_elements(der))
        (_, signed) = next(_elements(certificate))
        parts = [part for part in _elements(signed) if part[0] != _VERSION]
        # serial number, algorithm, issuer, validity
        times = [_time(kind, raw) for kind, raw in _elements(parts[3][1])]
        return Validity(times[0], times[1])
    except (ValueError, IndexError, StopIteration, binascii.Error) as error:
        raise DecodeError("certificate", "not a certificate") from error


def _elements(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element."""
    at = 0
    while at < len(raw):
        kind, size = raw[at], raw[at + 1]
        at += 2
        if size & _LONG_FORM:
            count = size & ~_LONG_FORM
            size = int.from_bytes(raw[at : at + count])
            at += count
        if at + size > len(raw):
            raise ValueError("cut off")
        yield kind, raw[at : at + size]
        at += size


def _time(kind: int, raw: bytes) -> datetime:
    text = raw.decode("ascii")
    if kind == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY_TURNS else "19") + text
    elif kind != _GENERALIZED:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
