"""The collecting terminal: sixteen pulse channels, an RS-485 port, a clock, a memory, a radio that wakes it."""
