"""Infrared: pulse trains, carriers, UART over a carrier, pulse codes and the optical channel.

Everything works on one inner form, ``pulses.Pulses``; files and samples are import and export.
"""

__all__: list[str] = []
