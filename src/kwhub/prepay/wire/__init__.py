"""Data of the security commands: what stands behind the operator code, and what comes back.

``decode_request`` and ``decode_answer`` find the layout of an identifier; each layout is a dataclass
with ``payload`` and ``from_payload``. Values are in the order in which people write them; ``payload``
turns each item around (low byte first on the wire).
"""

from kwhub.prepay.wire.directory import (
    ALIASES,
    ANSWERS,
    REQUESTS,
    canonical,
    decode_answer,
    decode_request,
)
from kwhub.prepay.wire.parameters import (
    PLAIN_FILES,
    FilePlace,
    file_bytes,
    open_parameter,
    sealed_file,
    sealed_parameter,
    value_bytes,
)

__all__ = [
    "ALIASES",
    "ANSWERS",
    "PLAIN_FILES",
    "REQUESTS",
    "FilePlace",
    "canonical",
    "decode_answer",
    "decode_request",
    "file_bytes",
    "open_parameter",
    "sealed_file",
    "sealed_parameter",
    "value_bytes",
]
