"""What stands in the code that a device is given once, and that a person scans: where, who, the secret, whom to trust.

The text is ``kwhub-device:NAME?at=HOST:PORT&enrol=HOST:PORT&secret=...&root=...``; ``root`` is the SHA-256 of the head-end's
root certificate, so that nobody else can pass for it, not even at the first connection.

Source: kwhub; the idea of a provisioning code follows that of Wi-Fi and of one-time-password apps.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlencode

from kwhub.domain.errors import DecodeError

__all__ = ["DEVICE_NAME", "EnrolmentCode"]

DEVICE_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
"""What a device may be called."""

_SCHEME: Final = "kwhub-device:"
_FIELDS: Final = ("at", "enrol", "secret", "root")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """The content of a code.

    Attributes:
        device: its name.
        at: host and port of the devices' listener.
        enrol: host and port of the listener for enrolment.
        secret: usable once.
        root: SHA-256 of the root certificate, 64 hexadecimal digits.
    """

    device: str
    at: str
    enrol: str
    secret: str = field(repr=False)
    root: str

    @property
    def text(self) -> str:
        """What the code says. It holds the secret."""
        fields = {"at": self.at, "enrol": self.enrol, "secret": self.secret, "root": self.root}
        return f"{_SCHEME}{self.device}?{urlencode(fields, safe=':[]')}"

    @classmethod
    def parse(cls, text: str) -> "EnrolmentCode":
        """Understand a code.

        Raises:
            DecodeError: it is another code; its words do not repeat the secret.
        """
        name, mark, rest = text.strip().removeprefix(_SCHEME).partition("?")
        try:
            fields = parse_qs(rest, strict_parsing=True) if mark else {}
        except ValueError:
            fields = {}
        if not text.strip().startswith(_SCHEME) or set(fields) != set(_FIELDS):
            raise DecodeError("enrolment_code", "this is not the code of a device's allocation")
        code = cls(name, *(fields[key][0] for key in _FIELDS))
        if not DEVICE_NAME.fullmatch(name) or not _DIGEST.fullmatch(code.root):
            raise DecodeError("enrolment_code", "the code of the allocation is damaged; scan again")
        return code
