"""The head-end's store and authority of the tests of identity."""

from tests.identity.conftest import fresh, place

__all__ = ["fresh", "place"]
