"""What the curves are drawn from: times, series with their labels and colours, and scales, as JSON."""

from collections.abc import Sequence

from msgspec import Struct, field

__all__ = ["Chart", "Scale", "Series", "points_alone"]


class Scale(Struct):
    """A vertical axis; a fixed end is only left when a value lies beyond it."""

    label: str
    min: float | None = None
    max: float | None = None


class Series(Struct):
    """One line, stepped line or row of bars; holes are None and are drawn as holes."""

    label: str
    unit: str
    places: int
    colour: int  #: 1 to 4, a colour of the style sheet
    scale: str
    values: list[float | None]
    shape: str = "line"  #: line, step or bars
    points: bool = False  #: mark each value, for series with few of them


class Chart(Struct):
    """A whole chart."""

    zone: str
    time: str  #: label of the time axis
    times: list[int]  #: seconds since 1970
    begin: int = field(name="from")
    end: int = field(name="to")
    series: list[Series]
    scales: dict[str, Scale]
    days: bool = False  #: the times are days


def points_alone(values: Sequence[float | None]) -> bool:
    """Whether some value stands between two holes, so that a line alone would not show it.

    >>> points_alone([None, 1.0, None]), points_alone([None, 1.0, 2.0])
    (True, False)
    """
    padded = [None, *values, None]
    around = zip(padded, padded[1:], padded[2:], strict=False)
    return any(here is not None and left is right is None for left, here, right in around)
