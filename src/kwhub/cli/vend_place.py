"""Where a counter works, and who sells there: by itself, or beside a head-end that knows its users."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter

from kwhub.domain.errors import ConfigError, Refusal
from kwhub.headend import config as headend_config
from kwhub.headend.people import trail, user_rows
from kwhub.headend.people.rights import Right
from kwhub.headend.store.database import Database
from kwhub.headend.vending_service import hundredths
from kwhub.prepay.vending import Limits
from kwhub.runtime.clock import SystemClock

__all__ = ["HeadendOption", "LimitOption", "Place", "ZoneOption", "place_alone", "place_of_headend"]

HeadendOption = Annotated[
    Path | None,
    Parameter(
        name="--headend",
        help="Settings of a head-end with [vending]: its books, keys, limits and zone; the operator is then "
        "one of its users who may sell, and the sale stands in its trail.",
    ),
]
ZoneOption = Annotated[
    str,
    Parameter(help="Of the site, such as Asia/Shanghai: limits of a day count from its midnight."),
]
LimitOption = Annotated[
    str | None, Parameter(help="The most for one sale, customer or operator and day.")
]

_DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Place:
    """Books, keys and rules of a counter."""

    store: Path
    book: Path | None
    root_key: str | None
    limits: Limits
    zone: ZoneInfo
    is_of_headend: bool = False


def place_alone(
    store: Path,
    book: Path | None,
    root_key: str | None,
    limits: tuple[str | None, str | None, str | None],
    zone: str,
) -> Place:
    """A counter by itself; who sells there is whatever it says. Raises LocalError, ConfigError: a limit or the zone is none."""
    known = (_DEFAULTS.sale, _DEFAULTS.customer_day, _DEFAULTS.operator_day)
    made = Limits(
        *(
            usual if text is None else hundredths(text)
            for text, usual in zip(limits, known, strict=True)
        )
    )
    try:
        return Place(store, book, root_key, made, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"{zone!r} is not a zone such as Asia/Shanghai", key="--zone") from None


def place_of_headend(
    file: Path, operator: str, subject: str, detail: str, action: str = "vending_sale"
) -> Place:
    """The counter of a head-end, after its user was found and written into its trail.

    Args:
        file: its settings.
        operator: name of a user.
        subject: what the trail is to say that it is about.
        detail: what more.
        action: that stands in the trail.

    Raises:
        ConfigError: the settings are wrong, or sell nothing.
        Refusal: that is no active user who may sell.
    """
    settings = headend_config.load(file)
    selling = settings.vending
    if selling is None:
        raise ConfigError("has no table [vending]", file=str(file), key="vending")
    database = Database(settings.headend.store, power_safe=settings.headend.power_safe)
    try:
        with database.write() as connection:
            user = user_rows.find(connection, operator)
            rights = {} if user is None else user_rows.grants_of(connection, user.grants)
            if user is None or not user.active or Right.SELL not in rights:
                raise Refusal((f"{operator} is no user of this head-end who may sell",))
            now = SystemClock().now()
            trail.record(connection, user.name, action, subject, detail, now)
    finally:
        database.close()
    limits = (selling.limit_sale, selling.limit_customer, selling.limit_operator)
    return Place(
        Path(selling.ledger),
        Path(selling.book),
        selling.root_key,
        Limits(*(100 * each for each in limits)),
        ZoneInfo(settings.headend.zone),
        is_of_headend=True,
    )
