"""``kwhub vend token``: sell a token (STS) from the counter's books, for meters without a return path."""

import secrets
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kwhub.cli.output import ZH, Exit, JsonFlag, pick_language, print_json, say
from kwhub.cli.token import BaseOption, KeyOption, meter_key
from kwhub.cli.token_tables import TablesOption
from kwhub.cli.vend import StoreOption, opened_books
from kwhub.cli.vend_place import HeadendOption, place_of_headend
from kwhub.domain.errors import ConfigError
from kwhub.headend.vending_service import hundredths
from kwhub.headend.vending_tokens import TokenBooks, TokenSale, Wanted
from kwhub.runtime.clock import SystemClock

__all__ = ["sell_token"]

_STORE = Path("vending.sqlite")


def sell_token(
    amount: str,
    *,
    meter: Annotated[
        str, Parameter(help="Number of the meter, 12 digits, as its customer has it.")
    ],
    payment: Annotated[str, Parameter(help="Reference of the payment; again is the same token.")],
    operator: str,
    tariff: Annotated[str, Parameter(help="Whose price of a kWh holds, see kwhub vend price.")],
    decoder_key: KeyOption = None,
    tables: TablesOption = None,
    base_date: BaseOption = 2014,
    store: StoreOption = _STORE,
    headend: HeadendOption = None,
    json: JsonFlag = False,
) -> int:
    """Sell energy as a token of twenty digits, with the limits, receipts and ledger of the counter.

    The token is written down before it is shown: the same payment shows the same token again. It cannot be
    cancelled, because nothing tells whether it was entered. Example:

        kwhub vend token 50.00 --meter 202611200001 --payment R-7 --operator ann --tariff day --decoder-key @meter.key
    """
    cents, limits = hundredths(amount), None
    place, zone = store, None
    if headend is not None:
        known = place_of_headend(headend, operator, f"meter {meter}", f"{payment}: {cents}")
        place, limits, zone = known.store, known.limits, known.zone
    with opened_books(place, limits, zone) as books:
        if books.is_claimed and headend is None:
            raise ConfigError(
                "these are the books of a head-end: sell with --headend, as one of its users",
                file=str(store),
            )
        wanted = Wanted(meter, cents, operator, payment, tariff)
        key = meter_key(decoder_key, tables)
        now = SystemClock().now()
        sale = TokenBooks(books, secrets.randbelow).sell(wanted, key, base_date, now)
    _tell(sale, json=json)
    return Exit.OK


def _tell(sale: TokenSale, *, json: bool) -> None:
    groups = [sale.token[place : place + 4] for place in range(0, len(sale.token), 4)]
    money = f"{Decimal(sale.amount) / 100:.2f}"
    if json:
        facts = ("meter", "token", "identifier", "customer", "operator", "payment")
        told = {name: getattr(sale, name) for name in facts}
        print_json(told | {"amount": money, "kwh": str(sale.units)})
        return
    say(" ".join(groups))
    if pick_language() == ZH:
        say(f"表 {sale.meter}：{sale.units} 千瓦时，{money}，缴费 {sale.payment}")
    else:
        say(f"meter {sale.meter}: {sale.units} kWh for {money}, payment {sale.payment}")
