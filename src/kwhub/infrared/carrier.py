"""The carrier of infrared light: put on, taken out and measured.

``synthesize`` and ``illuminate`` make samples of a train; ``demodulate_edges`` reads clean samples
and ``demodulate_iq`` those with noise and lamps in them.

Source: our own methods; see ``samples``, ``carrier_edges`` and ``carrier_iq``.
"""

from kwhub.infrared.carrier_edges import demodulate_edges, levels_to_pulses
from kwhub.infrared.carrier_iq import demodulate_iq
from kwhub.infrared.samples import CarrierFacts, Scene, illuminate, synthesize

__all__ = [
    "CarrierFacts",
    "Scene",
    "demodulate_edges",
    "demodulate_iq",
    "illuminate",
    "levels_to_pulses",
    "synthesize",
]
