"""What a benchmark says."""

from dataclasses import dataclass

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """One measured number beside what it is held against.

    A benchmark is a module of this package with ``def run() -> Result`` (or a list of them).
    """

    name: str
    ours: float
    reference: float
    unit: str
    against: str  #: who or what the reference is: a peer with its version, or a physical limit
    lower_is_better: bool = False
    least_ratio: float | None = None  #: the ratio that was promised

    @property
    def ratio(self) -> float:
        """How much better than the reference: above 1 we are better, whatever the unit."""
        if self.lower_is_better:
            return self.reference / self.ours
        return self.ours / self.reference

    @property
    def kept(self) -> bool:
        """Whether the promise is kept; true where nothing was promised."""
        return self.least_ratio is None or self.ratio >= self.least_ratio

    def line(self) -> str:
        """One aligned line for people."""
        promise = ""
        if self.least_ratio is not None:
            promise = f"  promised {self.least_ratio:g}: {'kept' if self.kept else 'MISSED'}"
        return (
            f"{self.name:<34} {_number(self.ours)} {self.unit:<10}"
            f" {self.against:<34} {_number(self.reference)}  ratio {self.ratio:8.3f}{promise}"
        )


def _number(value: float) -> str:
    """Twelve characters with four digits that count, without an exponent."""
    return f"{value:>12,.0f}" if abs(value) >= 1000 else f"{value:>12.4g}"
