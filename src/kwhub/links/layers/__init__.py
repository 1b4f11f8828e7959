"""Lenses for links: each is a link around a link, so they stack in any order.

``Shared(Captured(Throttled(link, clock, baud=2400), path, clock))``
"""

from kwhub.links.layers.captured import Captured
from kwhub.links.layers.faulty import Faulty
from kwhub.links.layers.layer import Layer
from kwhub.links.layers.shared import Shared
from kwhub.links.layers.spoiler import FaultCounts, FaultRates, Spoiler
from kwhub.links.layers.throttled import Throttled
from kwhub.links.layers.traced import Traced

__all__ = [
    "Captured",
    "FaultCounts",
    "FaultRates",
    "Faulty",
    "Layer",
    "Shared",
    "Spoiler",
    "Throttled",
    "Traced",
]
