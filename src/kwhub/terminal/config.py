"""The settings of a collecting terminal, from a TOML file.

What is written to a terminal by a handheld (settings of channels, readings, measuring points, freeze times, passwords) is
kept by the terminal and counts more than the file from then on; the file says what holds before.
"""

import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from kwhub.catalog.terminal_profile import CHANNELS, FREEZE_TIMES_MAX, PORT_CHANNEL, ChannelKind
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.freeze import FreezePattern
from kwhub.exchange.terminal_settings import ChannelSettings, PortMeter
from kwhub.links.address import parse
from kwhub.links.layers.waking import AWAKE_S, WAKE_BYTES, WAKES_AN_HOUR_MAX
from kwhub.runtime.settings import Settings, WrongSetting, load_toml
from kwhub.terminal.box import Maker

__all__ = [
    "Config",
    "GpioSettings",
    "Identity",
    "LinkSettings",
    "PasswordSettings",
    "PortSettings",
    "PulseSettings",
    "SimulatorSettings",
    "is_open_to_all",
    "load",
    "maker",
    "passwords",
]

Address: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{12}$", description="twelve digits in quotes")
]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=CHANNELS)]
_PASSWORD_DIGITS = 6
_LISTENING = ("tcp-listen", "tls-listen")
_LOOPBACK = ("127.", "localhost:", "[::1]:")


class Identity(Settings, frozen=True):
    """Who the terminal is and where it keeps things."""

    address: Annotated[
        str, Meta(pattern=r"^[0-9]{10}00$", description="twelve digits in quotes that end in 00")
    ]
    name: str = ""  #: for people
    folder: str = "terminal"  #: for counts and memory; beside the file
    zone: str = "Asia/Shanghai"  #: IANA zone that a clock shows which nobody has set yet
    drift_ppm: Annotated[int, Meta(ge=-1000, le=1000)] = (
        0  #: of its clock, to try how it is put right
    )
    commit_ms: Annotated[int, Meta(ge=100, le=60_000)] = (
        1_000  #: most that a cut without warning loses
    )
    freeze_times: tuple[str, ...] = ()  #: MMDDhhmm; 99 from the left is every

    def __post_init__(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise WrongSetting("zone", "must be an IANA zone such as 'Asia/Shanghai'") from None
        if len(self.freeze_times) > FREEZE_TIMES_MAX:
            raise WrongSetting("freeze_times", f"at most {FREEZE_TIMES_MAX}")
        for pattern in self.freeze_times:
            try:
                FreezePattern(pattern)
            except LocalError as error:
                raise WrongSetting("freeze_times", f"month, day, hour, minute: {error}") from None


class LinkSettings(Settings, frozen=True):
    """A way on which handhelds call; with ``sleeps`` it is deaf until it is woken."""

    address: str  #: such as 'serial:/dev/ttyS0?baud=9600' (a radio module), or 'tcp-listen:127.0.0.1:6470'
    allow_remote: bool = False  #: other computers may call; needed for more than loopback
    sleeps: bool = False  #: deaf until it is woken by a run of FE bytes
    wake_bytes: Annotated[int, Meta(ge=8, le=10_000)] = WAKE_BYTES
    awake_s: Annotated[float, Meta(ge=1, le=3_600)] = AWAKE_S
    wakes_an_hour: Annotated[
        int,
        Meta(ge=1, le=3_600, description="times awake_s: so long is it awake in any hour, at most"),
    ] = WAKES_AN_HOUR_MAX


class PulseSettings(Settings, frozen=True):
    """What is connected to a channel; the name plate of the meter says it."""

    number: Number
    kind: Literal["pulse", "meter"] = "pulse"  #: meter: on the RS-485 port, channel 16 only
    constant: Annotated[int, Meta(ge=1, le=999_999)] = 1_600  #: imp/kWh
    current_max_a: Decimal = Decimal(60)
    voltage_v: Decimal = Decimal(220)
    phases: Annotated[int, Meta(ge=1, le=3)] = 1
    debounce_ms: Annotated[int, Meta(ge=0, le=1_000)] = 2
    initial: Decimal | None = None  #: kWh on the meter's display when counting begins
    point: Address | None = (
        None  #: measuring point address; the terminal's with the number at its end
    )

    def __post_init__(self) -> None:
        if self.kind == "meter" and self.number != PORT_CHANNEL:
            raise WrongSetting("kind", f"'meter' is possible on channel {PORT_CHANNEL} only")
        if min(self.current_max_a, self.voltage_v) <= 0:
            raise WrongSetting("current_max_a", "and voltage_v must be above zero")

    @property
    def settings(self) -> ChannelSettings:
        """The same as the channel takes it."""
        kind = ChannelKind.METER if self.kind == "meter" else ChannelKind.PULSE
        return ChannelSettings(
            kind,
            self.constant,
            self.current_max_a,
            self.voltage_v,
            self.phases,
            self.debounce_ms,
        )


class PortSettings(Settings, frozen=True):
    """The RS-485 port and the meter on it."""

    link: str  #: such as 'serial:/dev/ttyS1'; the speed is that of the meter unless it stands here
    meter: Address
    edition: Literal[1997, 2007] = 2007  #: of DL/T 645
    baud: Literal[600, 1200, 2400, 4800, 9600, 19200] = 2400
    every_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 15


class GpioSettings(Settings, frozen=True, tag="gpiod", tag_field="kind"):
    """Inputs of this machine, through the package gpiod."""

    chip: str = "/dev/gpiochip0"
    lines: Annotated[tuple[int, ...], Meta(min_length=1, max_length=CHANNELS)] = tuple(
        range(CHANNELS)
    )  #: line of each channel, in order
    active_low: bool = True  #: an open-collector output with a pull-up
    cover: int | None = None  #: line of the cover contact, which is closed while the cover is

    def __post_init__(self) -> None:
        used = [*self.lines, *([] if self.cover is None else [self.cover])]
        if len(set(used)) < len(used) or min(used) < 0:
            raise WrongSetting("lines", "and cover name each line once, from 0")


class SimulatorSettings(Settings, frozen=True, tag="simulator", tag_field="kind"):
    """Meters that pulse by themselves on every pulse channel."""

    load_kw: Annotated[float, Meta(gt=0, le=100)] = (
        1.0  #: of channel 1; each further one has 10 % more
    )
    seed: int = 1


class PasswordSettings(Settings, frozen=True):
    """A password, in a file of its own that only the service may read: six digits."""

    level: Annotated[int, Meta(ge=0, le=9)]  #: 4 or stronger writes
    file: str


class Config(Settings, frozen=True):
    """Everything. Without a password nothing can be written to the terminal."""

    terminal: Identity
    inputs: GpioSettings | SimulatorSettings
    link: Annotated[tuple[LinkSettings, ...], Meta(min_length=1)]
    channel: tuple[PulseSettings, ...] = ()
    port: PortSettings | None = None
    password: tuple[PasswordSettings, ...] = ()

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for place, channel in enumerate(self.channel):
            if channel.number in seen:
                raise WrongSetting(f"channel[{place}].number", f"{channel.number} is there twice")
            seen.add(channel.number)
            if channel.kind == "meter" and self.port is None:
                raise WrongSetting(f"channel[{place}].kind", "'meter' needs [port]")


def load(path: Path) -> Config:
    """Read the settings. Raises ConfigError with file, line, key and remedy."""
    config = load_toml(path, Config, check=_links_make_sense)
    folder = Path(path).parent / config.terminal.folder
    files = tuple(
        PasswordSettings(each.level, str(Path(path).parent / each.file)) for each in config.password
    )
    identity = config.terminal
    return Config(
        Identity(
            identity.address,
            identity.name,
            str(folder),
            identity.zone,
            identity.drift_ppm,
            identity.commit_ms,
            identity.freeze_times,
        ),
        config.inputs,
        config.link,
        config.channel,
        config.port,
        files,
    )


def _links_make_sense(config: Config) -> None:
    texts = [(f"link[{place}].address", each.address) for place, each in enumerate(config.link)]
    if config.port is not None:
        texts.append(("port.link", config.port.link))
    for key, text in texts:
        try:
            parse(text)
        except ConfigError as error:
            raise WrongSetting(key, error.what) from error
    for place, each in enumerate(config.link):
        if is_open_to_all(each) and not each.allow_remote:
            raise WrongSetting(
                f"link[{place}].allow_remote", "must be true for an address that others reach"
            )


def is_open_to_all(link: LinkSettings) -> bool:
    """Whether computers other than this one can call on a link."""
    address = parse(link.address)
    return address.scheme in _LISTENING and not address.target.startswith(_LOOPBACK)


def maker(config: Config, now: datetime | None = None) -> Maker:
    """What the terminal is told before its first start."""
    identity = config.terminal
    offset = (now or datetime(2026, 1, 1, tzinfo=UTC)).astimezone(zoneinfo.ZoneInfo(identity.zone))
    port = config.port
    shift = offset.utcoffset()
    return Maker(
        identity.address,
        {each.number: each.settings for each in config.channel},
        {each.number: each.initial for each in config.channel if each.initial is not None},
        {each.number: each.point for each in config.channel if each.point is not None},
        None if port is None else PortMeter(port.meter, port.edition, port.baud),
        identity.freeze_times,
        0 if shift is None else round(shift.total_seconds()),
        identity.drift_ppm,
    )


def passwords(config: Config) -> Mapping[int, str]:
    """The passwords by level.

    Raises:
        ConfigError: a file cannot be read, or does not hold six digits; never says what it holds.
    """
    found: dict[int, str] = {}
    for place, each in enumerate(config.password):
        key = f"password[{place}].file"
        try:
            word = Path(each.file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{each.file} cannot be read", key=key) from None
        if len(word) != _PASSWORD_DIGITS or not word.isdecimal():
            raise ConfigError(f"{each.file} must hold six digits", key=key)
        found[each.level] = word
    return found
