"""A link from a line of text: ``serial:/dev/ttyUSB0?baud=2400&parity=even``.

The text is ``scheme:target?option=value&option=value``. A scheme that wraps another link has an
address for its target (``paced:pty:?baud=2400``); the options then belong to the innermost.
Each scheme lives in a module of its own that is imported when it is asked for.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qsl

from kwhub.domain.errors import ConfigError
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["SCHEMES", "LinkAddress", "Opener", "Scheme", "open_link", "parse"]

T = TypeVar("T")

ADDRESS_CHARS_MAX = 1_000
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of link."""

    module: str  #: has ``async def open_address(address, clock) -> Link``
    example: str
    wraps: bool = False  #: the target is itself an address


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "ble": Scheme(
            "kwhub.bluetooth.link", "ble:F0:12:34:56:78:9A?adapter=usb:0&keys=reader.keys"
        ),
        "ir": Scheme("kwhub.infrared.link", "ir:serial:/dev/ttyUSB1"),
        "memory": Scheme("kwhub.links.memory", "memory:bus-1"),
        "paced": Scheme("kwhub.links.paced", "paced:pty:?baud=2400", wraps=True),
        "pty": Scheme("kwhub.links.pty", "pty:"),
        "radio": Scheme("kwhub.links.radio", "radio:serial:/dev/ttyUSB0?baud=9600"),
        "replay": Scheme("kwhub.links.replay", "replay:meter.capture"),
        "serial": Scheme("kwhub.links.serial", "serial:/dev/ttyUSB0?baud=2400&parity=even"),
        "tcp": Scheme("kwhub.links.tcp", "tcp:10.0.0.7:4001"),
        "tcp-listen": Scheme("kwhub.links.tcp_listen", "tcp-listen:127.0.0.1:6450"),
        "tls": Scheme("kwhub.links.tls", "tls:head-end.example:8001?ca=ca.pem"),
        "tls-listen": Scheme(
            "kwhub.links.tcp_listen", "tls-listen:127.0.0.1:8001?cert=server.pem&key=server.key"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """The parts of an address. The readers of options raise ConfigError naming the option."""

    text: str  #: as given
    scheme: str
    target: (
        str  #: what stands between the scheme and the options; empty when there is an inner address
    )
    options: Mapping[str, str] = field(default_factory=dict)
    inner: "LinkAddress | None" = None

    def __str__(self) -> str:
        return self.text

    @property
    def innermost(self) -> "LinkAddress":
        """What carries the bytes in the end: of ``ir:serial:/dev/ttyUSB1`` the serial port."""
        return self if self.inner is None else self.inner.innermost

    def wrong(self, what: str) -> ConfigError:
        """The error to raise about this address."""
        return ConfigError(what, key=self.text)

    def allow(self, *names: str) -> None:
        """Refuse options other than these."""
        for name in self.options:
            if name not in names:
                allowed = ", ".join(names) or "no options"
                raise self.wrong(f"unknown option {name!r}; {self.scheme}: takes {allowed}")

    def integer(self, name: str, default: T, allowed: Iterable[int]) -> int | T:
        """Read an option that is a whole number, one of ``allowed``."""
        text = self.options.get(name)
        if text is None:
            return default
        if text.isascii() and text.isdigit() and int(text) in allowed:
            return int(text)
        words = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else _words(allowed)
        raise self.wrong(f"option {name} must be {words}, not {text!r}")

    def choice(self, name: str, default: T, allowed: Mapping[str, T]) -> T:
        """Read an option that is one of the words in ``allowed``."""
        text = self.options.get(name)
        if text is None:
            return default
        if text.lower() not in allowed:
            raise self.wrong(f"option {name} must be {_words(allowed)}, not {text!r}")
        return allowed[text.lower()]

    def host_port(self, *, least_port: int = 1) -> tuple[str, int]:
        """Split a target of the form ``host:port`` (an IPv6 host stands in square brackets)."""
        host, colon, port = self.target.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host:
            raise self.wrong(
                f"{self.scheme}: needs host:port, such as {SCHEMES[self.scheme].example}"
            )
        if not (port.isascii() and port.isdigit() and least_port <= int(port) <= PORT_MAX):
            raise self.wrong(f"port must be {least_port} to {PORT_MAX}, not {port!r}")
        return host, int(port)


Opener: TypeAlias = Callable[[LinkAddress, Clock], Awaitable[Link]]


def parse(text: str) -> LinkAddress:
    """Split an address into its parts; nothing is opened and no option is judged yet.

    >>> parse("serial:/dev/ttyUSB0?baud=2400").options["baud"]
    '2400'

    Raises:
        ConfigError: the scheme is unknown or the options are not ``name=value``.
    """
    if len(text) > ADDRESS_CHARS_MAX:
        raise ConfigError(f"a link address has at most {ADDRESS_CHARS_MAX} characters")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        found = f"unknown scheme {scheme!r}" if colon else "no scheme"
        examples = "; ".join(row.example for row in SCHEMES.values())
        raise ConfigError(f"{found}; a link address is one of: {examples}", key=text)
    if SCHEMES[scheme].wraps:
        return LinkAddress(text, scheme, "", inner=parse(rest))
    target, question, query = rest.partition("?")
    return LinkAddress(text, scheme, target, _options(text, query) if question else {})


def _options(text: str, query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise ConfigError(
            f"options must read name=value&name=value, not {query!r}", key=text
        ) from error
    if len(dict(pairs)) != len(pairs):
        raise ConfigError("an option is given twice", key=text)
    return MappingProxyType(dict(pairs))


def _words(allowed: Iterable[object]) -> str:
    return "one of " + ", ".join(str(word) for word in allowed)


async def open_link(address: str | LinkAddress, *, clock: Clock) -> Link:
    """Open the link that an address describes.

    Args:
        address: such as ``tcp:10.0.0.7:4001``; see SCHEMES.
        clock: gives time to the links and layers that need it.

    Raises:
        ConfigError: the text is wrong; names the part and says what is allowed.
        LinkDown: the text is right, but the link cannot be opened now.
    """
    parsed = parse(address) if isinstance(address, str) else address
    opener: Opener = import_module(SCHEMES[parsed.scheme].module).open_address
    return await opener(parsed, clock)
