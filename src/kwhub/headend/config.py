"""Settings of the head-end and its archive, from one TOML file."""

import re
from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from kwhub.protocols.gdw1376.profiles import DEFAULT, PROFILES, terminal_max
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = [
    "Access",
    "Area",
    "Bills",
    "Config",
    "Devices",
    "Limits",
    "Meter",
    "Ordering",
    "Pages",
    "Retention",
    "Service",
    "Terminal",
    "Vending",
    "load",
]

HEARTBEAT_S = 300
"""Heartbeat period that concentrators are expected to keep, in seconds."""

PACK_ROWS = 20_000
"""Readings in the journal at which it is packed into day vectors."""

PACK_INTERVAL_S = 21_600
"""Longest time that a reading stays in the journal alone, in seconds."""

KEPT_DAYS_MIN = 62
"""Least number of days that anything is kept: bills of two months are still to be written."""

_LISTENS = re.compile(r"(?:[a-z]+-listen:)?(?P<host>\[[^\]]*\]|[^\[\]:?]*):\d+(?:\?.*)?")

Address = Annotated[
    str, Meta(pattern=r"^\d{12}$", description="the twelve digits printed on the meter, in quotes")
]
Region = Annotated[
    str,
    Meta(pattern=r"^\d{4}$", description='a region code of four digits in quotes, such as "4101"'),
]
Name = Annotated[str, Meta(max_length=200, description="text in quotes of at most 200 characters")]
Code = Annotated[
    str, Meta(min_length=1, max_length=64, description="text in quotes of 1 to 64 characters")
]
Kept = Annotated[int, Meta(ge=0, le=36_600)]
Ratio = Annotated[
    str | int,
    Meta(description='the product of current and voltage transformer ratios, such as 60 or "1.5"'),
]


def _beyond(address: str) -> bool:
    """Whether other computers reach an address to listen on.

    >>> [_beyond(each) for each in ("127.0.0.1:8080", "[::1]:80", "tcp-listen:localhost:8001", "")]
    [False, False, False, False]
    >>> [_beyond(each) for each in ("0.0.0.0:8080", "tls-listen:[::]:8002?cert=a.pem", ":80")]
    [True, True, True]
    """
    found = _LISTENS.fullmatch(address)
    if found is None or found["host"] == "localhost":
        return False
    try:
        return not ip_address(found["host"].strip("[]")).is_loopback
    except ValueError:
        return True


class Meter(Settings, frozen=True):
    """One meter behind a terminal."""

    address: Address
    point: Annotated[int, Meta(ge=1, le=2040)]
    port: Annotated[int, Meta(ge=1, le=31)] = 2
    name: Name = ""
    phases: Literal[1, 3] = 1
    kind: Literal["customer", "supply"] = "customer"
    ratio: Ratio = 1
    baud: Literal[300, 600, 1200, 2400, 4800, 7200, 9600, 19200] = 2400
    protocol: Literal["dlt645-2007", "dlt645-1997"] = "dlt645-2007"
    curve_minutes: Literal[0, 15, 30, 60] = 15  #: these four as in the concentrator's plan:
    hourly: bool = True  #: what is read there is what is expected here
    day_freeze: bool = True  #: a meter of DL/T 645-1997 has neither curve nor freeze
    tariffs: Annotated[int, Meta(ge=0, le=14)] = 4  #: of the day freeze, beside the total

    def __post_init__(self) -> None:
        try:
            usable = self.factor.is_finite() and self.factor > 0 and len(str(self.factor)) <= 32
        except ArithmeticError:
            usable = False
        if not usable:
            raise WrongSetting("ratio", 'must be a number above 0, such as 60 or "1.5"')

    @property
    def factor(self) -> Decimal:
        """The ratio as an exact number."""
        return Decimal(self.ratio)


class Terminal(Settings, frozen=True):
    """One concentrator."""

    region: Region
    terminal: Annotated[int, Meta(ge=1, le=2_147_483_647)]  #: at most 65534 but for jilin
    name: Name = ""
    meter: tuple[Meter, ...] = ()

    def __post_init__(self) -> None:
        _distinct("meter", "point", [meter.point for meter in self.meter])


class Area(Settings, frozen=True):
    """One transformer area."""

    code: Code
    name: Name
    name_zh: Name = ""
    terminal: tuple[Terminal, ...] = ()


class Service(Settings, frozen=True):
    """The service itself."""

    store: str = "headend.sqlite"  #: a file for SQLite, or an SQLAlchemy address such as postgresql+psycopg://
    uplink: str = "tcp-listen:127.0.0.1:8001"  #: where concentrators connect; empty: nowhere
    web: str = "127.0.0.1:8080"
    allow_remote: bool = False  #: true lets uplink and web listen beyond this computer
    zone: str = "Asia/Shanghai"
    profile: str = (
        DEFAULT  #: that all terminals speak: edition 2013, 2009 or 2005, or province jilin
    )
    heartbeat_s: Annotated[int, Meta(ge=10, le=86_400)] = HEARTBEAT_S
    power_safe: bool = True  #: false for trials only: a power cut may then take the newest seconds
    pack_rows: Annotated[int, Meta(ge=1)] = PACK_ROWS
    pack_interval_s: Annotated[int, Meta(ge=1)] = PACK_INTERVAL_S

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise WrongSetting(
                "zone", f"{self.zone!r} is not a zone such as Asia/Shanghai"
            ) from None
        if self.profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise WrongSetting("profile", f"must be one of {known}, not {self.profile!r}")
        for key, address in (("uplink", self.uplink), ("web", self.web)):
            if not self.allow_remote and _beyond(address):
                raise WrongSetting(
                    key, f"{address!r} is open to other computers: that needs allow_remote = true"
                )


class Limits(Settings, frozen=True):
    """What concentrators may take of the head-end; who asks for more waits, or is sent away."""

    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    connections_of_address: Annotated[int, Meta(ge=1)] = 20_000  #: many share one behind a gateway
    strangers: Annotated[int, Meta(ge=1)] = 4_000  #: connections that have not logged in yet
    strangers_of_address: Annotated[int, Meta(ge=1)] = 1_000
    login_s: Annotated[int, Meta(ge=1, le=600)] = 30  #: who has not logged in by then is sent away
    frames_per_s: Annotated[float, Meta(gt=0)] = 200.0  #: of one connection
    frames_burst: Annotated[int, Meta(ge=1)] = 1_000  #: as many at once
    unread_bytes: Annotated[int, Meta(ge=1_024)] = 65_536  #: of one connection, then it waits


class Access(Settings, frozen=True):
    """Who gets in, and how much at once."""

    idle_s: Annotated[int, Meta(ge=60, le=604_800)] = 7_200  #: a session ends when unused so long
    session_s: Annotated[int, Meta(ge=60, le=2_592_000)] = 43_200  #: and in any case after this
    secure_cookie: bool = False  #: true where readers come by https
    password_work: Annotated[int, Meta(ge=10, le=20)] = 15  #: scrypt's N is 2 to the power of it
    requests_per_s: Annotated[float, Meta(gt=0)] = 50.0  #: of one session, API key or address
    requests_burst: Annotated[int, Meta(ge=1)] = 500  #: as many at once
    trail_key: str = ""  #: file of the key that signs the audit trail's anchors; empty: none


class Devices(Settings, frozen=True):
    """Handhelds and other field devices; without this table there are none."""

    listen: str = (
        "tcp-listen:127.0.0.1:8443"  #: TLS 1.3 with certificates on both sides comes by itself
    )
    enrol: str = (
        "tcp-listen:127.0.0.1:8444"  #: where a device gets its first certificate; empty: nowhere
    )
    reach: Name = ""  #: host under which devices reach both ports; empty: as they are listened on
    folder: str = "device-ca"  #: of the own CA; keep it as safe as the store
    certificate_days: Annotated[int, Meta(ge=1, le=30)] = 7
    secret_hours: Annotated[int, Meta(ge=1, le=168)] = (
        24  #: in which an allocated device is enrolled
    )
    renewal_grace_days: Annotated[int, Meta(ge=0, le=366)] = 30  #: an expired identity may renew
    offline_hours: Annotated[int, Meta(ge=1, le=720)] = 72  #: what is granted without the head-end
    root_key: str = ""  #: seals orders that devices carry: file with the root keys, mode 0600, or "pkcs11:..."; empty: none


class Ordering(Settings, frozen=True):
    """What may be ordered of terminals and meters, and with which passwords; each in a file of its own."""

    password_file: str = ""  #: terminals' PW, 32 hexadecimal digits; without it zeros are sent
    relay_password_file: str = ""  #: six digits; for meters without a secure element
    root_key: str = ""  #: seals relay orders for cost-control meters: file with the root keys, mode 0600, or "pkcs11:..."; empty: none
    relay_level: Annotated[int, Meta(ge=0, le=9)] = 2
    write_password_file: str = ""  #: six digits; without it no parameter of a meter is written
    write_level: Annotated[int, Meta(ge=0, le=9)] = 4
    operator: Annotated[
        str, Meta(pattern=r"^[0-9A-F]{8}$", description="eight hexadecimal digits in quotes")
    ] = "00000000"
    trips_per_hour: Annotated[int, Meta(ge=0)] = 50  #: that one person may order
    trip_share_per_hour: Annotated[float, Meta(ge=0, le=1)] = (
        0.005  #: of the meters of an area, at least one
    )
    approval_delay_s: Annotated[int, Meta(ge=0, le=86_400)] = (
        120  #: an approved trip waits so long, in which anyone may cancel it
    )
    task_pause_s: Annotated[float, Meta(ge=0, le=60)] = (
        0.2  #: after each order of a task, by terminal
    )
    never_trip: tuple[Address, ...] = ()  #: meters whose supply is never cut from here


class Vending(Settings, frozen=True):
    """Selling to cost-control meters; without this table nothing is sold from here."""

    root_key: str  #: file with the root keys, mode 0600; or "pkcs11:...", as for kwhub vend
    ledger: str = "vending.sqlite"  #: the book of sales, that of kwhub vend
    book: str = "vending.book.sqlite"  #: what was signed; keep it with other hands
    payments: str = ""  #: CSV of references and amounts to compare with; empty: none
    limit_sale: Annotated[int, Meta(ge=1)] = 1_000  #: whole units of the currency
    limit_customer: Annotated[int, Meta(ge=1)] = 2_000  #: of one customer and day of the site
    limit_operator: Annotated[int, Meta(ge=1)] = 50_000  #: of one operator and day of the site
    low_balance: Annotated[int, Meta(ge=0)] = 20  #: a meter with less is warned of
    low_days: Annotated[int, Meta(ge=0)] = 5  #: one whose money lasts for fewer days, too
    token_keys: str = ""  #: keys of meters that take tokens, mode 0600: meter, key, base year; empty: no tokens on the pages
    token_base: Literal[1993, 2014, 2035] | None = None  #: of STS tokens, to warn of its end


class Retention(Settings, frozen=True):
    """For how many days what is kept; 0 keeps it for good. What a statement names, and what is not validated yet, stays."""

    curves_days: Kept = 0  #: values of less than a day, and those that were read on demand
    freezes_days: Kept = 0  #: values of day freezes
    events_days: Kept = 0  #: events and alarms of terminals, with what people said about them
    sessions_days: Kept = 0  #: connections that are over

    def __post_init__(self) -> None:
        for key in ("curves_days", "freezes_days", "events_days", "sessions_days"):
            if 0 < getattr(self, key) < KEPT_DAYS_MIN:
                raise WrongSetting(
                    key, f"must be 0, which keeps everything, or at least {KEPT_DAYS_MIN}"
                )


class Bills(Settings, frozen=True):
    """Who sells: what stands at the head and at the foot of every bill."""

    name: Name = ""
    address: Name = ""
    contact: Name = ""  #: telephone, mail, opening hours
    note: Annotated[
        str, Meta(max_length=500, description="text in quotes of at most 500 characters")
    ] = ""  #: at the foot, such as where to pay


class Pages(Settings, frozen=True):
    """The pages."""

    language: Literal["", "en", "zh"] = ""  #: of readers whose browser wants neither; empty: en


class Config(Settings, frozen=True):
    """The whole file."""

    headend: Service = Service()
    limits: Limits = Limits()
    access: Access = Access()
    orders: Ordering = Ordering()
    retention: Retention = Retention()
    bills: Bills = Bills()
    pages: Pages = Pages()
    devices: Devices | None = None
    vending: Vending | None = None
    area: tuple[Area, ...] = ()

    def __post_init__(self) -> None:
        _distinct("area", "code", [area.code for area in self.area])
        terminals = [(each.region, each.terminal) for area in self.area for each in area.terminal]
        if (index := _repeated(terminals)) is not None:
            region, number = terminals[index]
            raise WrongSetting("area", f"terminal {region}-{number:05} is there twice")
        most = terminal_max(PROFILES[self.headend.profile])
        if (largest := max((number for _, number in terminals), default=0)) > most:
            what = f"terminal {largest}: must be at most {most} in profile {self.headend.profile}"
            raise WrongSetting("area", what)
        addresses = [meter.address for meter in self.meters()]
        if (index := _repeated(addresses)) is not None:
            raise WrongSetting("area", f"meter {addresses[index]} is there twice")

    def meters(self) -> Iterator[Meter]:
        """Every meter of every area."""
        for area in self.area:
            for terminal in area.terminal:
                yield from terminal.meter


def load(path: str | Path) -> Config:
    """Read the settings.

    Raises:
        ConfigError: with file, line, key and what would be right.
    """
    return load_toml(path, Config)


def _distinct(table: str, key: str, values: Sequence[Hashable]) -> None:
    index = _repeated(values)
    if index is not None:
        raise WrongSetting(f"{table}[{index}].{key}", f"{values[index]!r} is there twice")


def _repeated(values: Sequence[Hashable]) -> int | None:
    """Index of the first value that was there before."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            return index
        seen.add(value)
    return None
