"""Tokens of twenty digits for meters without a way back.  Source: IEC 62055-41."""

__all__: list[str] = []
