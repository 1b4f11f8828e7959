"""The settings file of ``kwhub ble nodes``."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from kwhub.bluetooth.node_settings import NodeSettings, Role
from kwhub.exchange.passing_others import DIALECTS, DLT645_NAME
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = ["NodeFile", "read_node_file"]


class NodeFile(Settings, frozen=True):
    """One node of this machine."""

    adapter: Annotated[str, Meta(description="a Bluetooth controller, such as 'usb:0'")]
    keys: str | None = None  #: file with its bonds, beside this file; needed unless unsecured
    kept: str | None = None  #: file for what AT commands have changed
    unsecured: bool = False  #: let links without pairing pass data
    protocol: str = DLT645_NAME  #: of what passes and is inspected: dlt645, gdw1376.2 or mbus
    serial: str | None = None  #: its serial face: "pty:" or "serial:/dev/ttyS1?baud=9600"
    bus: str | None = None  #: meters behind it by wire: "serial:/dev/ttyUSB0?baud=2400&parity=even"
    node: NodeSettings = field(default_factory=lambda: NodeSettings(role=Role.MASTER))

    def __post_init__(self) -> None:
        """What no type can tell."""
        if self.protocol not in DIALECTS:
            raise WrongSetting("protocol", "must be one of " + ", ".join(DIALECTS))


def read_node_file(path: Path) -> NodeFile:
    """Read the settings of a node; its files lie beside it.

    Raises:
        ConfigError: something in it is wrong; says where and what would be right.
    """
    return load_toml(path, NodeFile)
