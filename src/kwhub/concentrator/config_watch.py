"""Settings of what the concentrator watches beside the readings: clocks and events of its meters."""

from typing import Annotated, Literal

from msgspec import Meta

from kwhub.runtime.settings import Settings

__all__ = ["ClockSettings", "EventSettings"]


class ClockSettings(Settings, frozen=True):
    """The clocks of the meters."""

    correct: bool = True  #: by order 08: once a day, at most 5 minutes, not near midnight
    correct_from_s: Annotated[int, Meta(ge=3, le=300)] = 10  #: smaller errors are left alone


class EventSettings(Settings, frozen=True):
    """What is asked of the meters about events, and how often."""

    period_minutes: Literal[0, 15, 30, 60, 120, 240, 480, 720, 1440] = (
        60  #: status words; 0: no watch
    )
    counters_hours: Annotated[int, Meta(ge=1, le=720)] = (
        24  #: all counters; some at once when a word changes
    )
    silent_hours: Annotated[int, Meta(ge=1, le=720)] = (
        24  #: a meter that is silent so long is abnormal
    )
