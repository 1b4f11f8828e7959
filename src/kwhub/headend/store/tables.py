"""Every table of the head-end: who imports this has ``metadata`` whole, whatever part the tables belong to."""

from importlib import import_module
from pkgutil import iter_modules

import kwhub.headend.store
from kwhub.headend.store.schema import metadata

__all__ = ["PARTS", "metadata"]

PARTS = tuple(
    import_module(f"kwhub.headend.store.{each.name}")
    for each in iter_modules(kwhub.headend.store.__path__)
    if each.name.startswith("schema_")
)
"""The modules that declare tables; each part of the head-end has one of its own, ``schema_<part>.py``."""
