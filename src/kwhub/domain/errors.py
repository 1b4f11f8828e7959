"""The errors of the house: whose fault it is stands in the type."""

__all__ = [
    "ConfigError",
    "DecodeError",
    "KwhubError",
    "LinkBusy",
    "LinkDown",
    "LinkError",
    "LocalError",
    "NoAnswer",
    "Refusal",
    "RemoteError",
    "SequenceError",
]


class KwhubError(Exception):
    """Anything that kwhub raises on purpose."""


class LocalError(KwhubError):
    """We asked for something that is not allowed: a bug on this side."""


class RemoteError(KwhubError):
    """The peer sent what it must not send."""


class DecodeError(RemoteError):
    """Bytes that do not say anything that the standard knows.

    Attributes:
        kind: short stable key for programs, such as ``checksum_mismatch``.
        detail: one sentence for people, with what was found and what was expected.
        field: the field of the frame in which it shows.
        offset: index of the byte in the raw frame where it shows, if that is known.
    """

    def __init__(
        self, kind: str, detail: str, *, field: str = "", offset: int | None = None
    ) -> None:
        super().__init__(kind, detail, field, offset)
        self.kind = kind
        self.detail = detail
        self.field = field
        self.offset = offset

    def __str__(self) -> str:
        place = f" (byte {self.offset})" if self.offset is not None else ""
        return f"{self.detail}{place}"


class SequenceError(RemoteError):
    """A good frame at the wrong moment."""


class Refusal(KwhubError):
    """The peer understood and says no.

    Attributes:
        reasons: the words of the standard's error bits, in bit order, never empty.
    """

    def __init__(self, reasons: tuple[str, ...], *, raw: bytes = b"") -> None:
        super().__init__(reasons, raw)
        self.reasons = reasons
        self.raw = raw

    def __str__(self) -> str:
        return "refused: " + ", ".join(self.reasons)


class NoAnswer(KwhubError, TimeoutError):
    """Nothing usable came back in time, after every attempt that was allowed."""

    def __init__(self, detail: str = "no answer", *, attempts: int = 1) -> None:
        super().__init__(detail, attempts)
        self.detail = detail
        self.attempts = attempts

    def __str__(self) -> str:
        return f"{self.detail} after {self.attempts} attempt{'s' if self.attempts != 1 else ''}"


class LinkError(KwhubError):
    """The way to the peer is in trouble."""


class LinkDown(LinkError):
    """The link is closed, cut, or could not be opened."""


class LinkBusy(LinkError):
    """Somebody else holds the link."""


class ConfigError(KwhubError):
    """A setting is wrong; says in which file, at which line and key, and what would be right."""

    def __init__(
        self, what: str, *, file: str = "", line: int | None = None, key: str = ""
    ) -> None:
        super().__init__(what, file, line, key)
        self.what = what
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = self.file or "configuration"
        if self.line is not None:
            place += f":{self.line}"
        return f"{place}: {self.key + ': ' if self.key else ''}{self.what}"
