"""kwhub: an open meter-reading system, from the meter's infrared window to the bill."""

__all__ = ["__version__"]

__version__ = "0.1.0"
