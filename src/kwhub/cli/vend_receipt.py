"""The receipt of a token, for ``kwhub vend receipt``."""

from dataclasses import asdict
from decimal import Decimal

from kwhub.cli.output import ZH, Exit, Language, pick_language, print_json, say
from kwhub.headend.vending_tokens import TokenSale

__all__ = ["token_receipt"]


def token_receipt(sold: TokenSale, language: Language | None, *, json: bool) -> int:
    """Show a token again with what was paid for it; whoever has lost it gets it here."""
    amount = f"{Decimal(sold.amount) / 100:.2f}"
    if json:
        told = asdict(sold) | {"amount": amount, "units": str(sold.units)}
        print_json(told | {"at": sold.at.isoformat()})
        return Exit.OK
    is_zh = pick_language(language) == ZH
    rows = (
        ("收据", "Receipt", sold.payment),
        ("用户", "Customer", sold.customer),
        ("电表", "Meter", sold.meter),
        ("令牌", "Token", sold.token),
        ("电量", "Energy", f"{sold.units} kWh"),
        ("金额", "Amount", amount),
        ("操作员", "Operator", sold.operator),
    )
    for zh, en, value in rows:
        say(f"{zh if is_zh else en}: {value}")
    return Exit.OK
