"""What people are told when something is not taken; ``key`` names the text in both languages."""

from kwhub.domain.errors import LocalError

__all__ = ["NotTaken", "TooOften"]


class NotTaken(LocalError):
    """A wrong entry.

    Attributes:
        key: of the text ``people.wrong_<key>``.
    """

    def __init__(self, key: str, english: str) -> None:
        super().__init__(english)
        self.key = key


class TooOften(LocalError):
    """Too many tries or requests.

    Attributes:
        wait_s: seconds until the next one is looked at.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many tries; try again in {wait_s} s")
        self.wait_s = wait_s
