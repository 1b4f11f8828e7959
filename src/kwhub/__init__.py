"""kwhub: an open meter-reading system, from the meter's infrared window to the bill.

The names below are imported when they are used, so that ``import kwhub`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kwhub.catalog.decoding import decode, explain
    from kwhub.catalog.registers import parse_register
    from kwhub.client import Line, Meter, connect
    from kwhub.domain.errors import KwhubError, LinkError, NoAnswer, Refusal, RemoteError
    from kwhub.domain.readings import Outcome, Reading, Register
    from kwhub.links.address import open_link
    from kwhub.protocols.dlt645.authority import Authority, Key

__all__ = [
    "Authority",
    "Key",
    "KwhubError",
    "Line",
    "LinkError",
    "Meter",
    "NoAnswer",
    "Outcome",
    "Reading",
    "Refusal",
    "Register",
    "RemoteError",
    "__version__",
    "connect",
    "decode",
    "explain",
    "open_link",
    "parse_register",
]

__version__ = "0.1.0"

_HOMES = {
    "kwhub.catalog.decoding": ("decode", "explain"),
    "kwhub.catalog.registers": ("parse_register",),
    "kwhub.client": ("Line", "Meter", "connect"),
    "kwhub.domain.errors": ("KwhubError", "LinkError", "NoAnswer", "Refusal", "RemoteError"),
    "kwhub.domain.readings": ("Outcome", "Reading", "Register"),
    "kwhub.links.address": ("open_link",),
    "kwhub.protocols.dlt645.authority": ("Authority", "Key"),
}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives, once."""
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'kwhub' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, imported already or not."""
    return sorted({*globals(), *__all__})
