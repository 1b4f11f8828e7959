"""The secure element: files, keys and a wallet behind ``transmit(apdu)``."""

__all__: list[str] = []
