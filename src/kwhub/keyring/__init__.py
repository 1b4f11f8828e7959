"""The key-ring: a medium as a device of its own, with a display, keys, a way to the meter and one to the counter."""

__all__: list[str] = []
