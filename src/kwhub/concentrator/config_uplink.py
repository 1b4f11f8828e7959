"""The settings of the ways to the head-end, of the store's size and of the metrics."""

import ipaddress
from typing import Annotated, TypeAlias

from msgspec import Meta

from kwhub.runtime.settings import Settings, WrongSetting

__all__ = ["LinkText", "MetricsSettings", "StandbySettings", "StoreSettings", "UplinkSettings"]

LinkText: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9-]*:", description="a link address such as 'tcp:10.0.0.7:4001'"),
]


class UplinkSettings(Settings, frozen=True):
    """The way to the head-end."""

    address: LinkText
    heartbeat_s: Annotated[int, Meta(ge=10, le=3_600)] = 300
    answer_timeout_s: Annotated[float, Meta(ge=0.5, le=300)] = 10.0
    reconnect_first_s: Annotated[float, Meta(gt=0, le=3_600)] = 1.0
    reconnect_most_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    report_bytes: Annotated[int, Meta(ge=255, le=16_383)] = 1_000  #: L1 of a report at most
    priority: Annotated[int, Meta(ge=1, le=9)] = 1  #: the lowest is used while it is healthy
    failures_max: Annotated[int, Meta(ge=1, le=10)] = 2  #: in a row, then another way is tried
    probe_s: Annotated[int, Meta(ge=10, le=3_600)] = 60  #: how often it is tried while it is ill
    return_after_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 10  #: healthy so long: used again

    def __post_init__(self) -> None:
        if self.reconnect_most_s < self.reconnect_first_s:
            raise WrongSetting("reconnect_most_s", "must not be less than reconnect_first_s")


class StandbySettings(UplinkSettings, frozen=True):
    """The second way, taken while the first is ill; the settings of ``[uplink]``, too."""

    priority: Annotated[int, Meta(ge=1, le=9)] = 2


class StoreSettings(Settings, frozen=True):
    """How large the store may become."""

    limit_mib: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_024  #: old delivered readings give way


class MetricsSettings(Settings, frozen=True):
    """Metrics for Prometheus."""

    address: str = ""  #: "127.0.0.1:9110"; empty: none

    def __post_init__(self) -> None:
        if self.address:
            self.where()

    def where(self) -> tuple[str, int]:
        """Host and port; the host is of this machine, because nobody is asked who they are."""
        host, _, port = self.address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            is_here = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_here = False
        if not is_here or not (port.isascii() and port.isdigit() and int(port) < 65_536):
            what = "must be an address of this machine and a port, such as '127.0.0.1:9110'"
            raise WrongSetting("address", f"{what}, not {self.address!r}")
        return host, int(port)
