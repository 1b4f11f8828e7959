"""The infrared performance bench: measures a meter's infrared port and judges it by limits."""

__all__: list[str] = []
