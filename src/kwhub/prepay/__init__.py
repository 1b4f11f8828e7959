"""Prepayment: tokens, secure elements, media and the vending ledger."""

__all__: list[str] = []
