"""Tells the service manager that the service is up, reloads, or is still alive.

Source: sd_notify(3) of systemd: datagrams of ``NAME=value`` lines to the socket that NOTIFY_SOCKET names; ``@`` in
front stands for the abstract namespace. WATCHDOG_USEC is the time after which silence means death.
"""

import socket
from collections.abc import Mapping

__all__ = ["Notifier"]

_US_PER_S = 1_000_000


class Notifier:
    """Speaks to the service manager, or to nobody when there is none.

    Args:
        environment: of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        limit = environment.get("WATCHDOG_USEC", "")
        self.beat_s: float | None = None  #: how often to call ``alive``; None: nobody waits for it
        if self._address and limit.isascii() and limit.isdigit() and int(limit):
            self.beat_s = int(limit) / _US_PER_S / 3

    def ready(self, status: str) -> None:
        """Everything is open and at work."""
        self._tell("READY=1", f"STATUS={status}")

    def alive(self, status: str) -> None:
        """The event loop runs."""
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """New settings are being taken over; ``ready`` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * _US_PER_S)}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)  # noqa: FBT003 - the library's own argument
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # a manager that does not listen is no reason to stop reading meters
