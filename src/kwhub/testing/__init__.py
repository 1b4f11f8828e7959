"""For tests of this project and of its users: the contract of links, and two machines back to back."""

from kwhub.testing.check_link import check_link
from kwhub.testing.pair import Pair

__all__ = ["Pair", "check_link"]
