"""One case after the other, until something makes no sense."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tests.fuzz.decoders import TARGETS
from tests.fuzz.mutate import damaged, randomness

__all__ = ["Finding", "case", "count_steps", "run"]


class Finding(Exception):
    """An input that a decoder should have survived, and how to see it again."""

    def __init__(self, decoder: str, seed: int, number: int, data: bytes) -> None:
        super().__init__(
            f"{decoder} fails for {data.hex()!r}; again with:\n"
            f"python -m tests.fuzz {decoder} --seed {seed} --case {number}"
        )


def case(decoder: str, seed: int, number: int) -> bytes:
    """The input with a number."""
    target = TARGETS[decoder]
    random = randomness(decoder, seed, number)
    data = damaged(random, target.corpus(), target.words)
    return target.repair(data) if random.random() < 0.5 else data


def run(decoder: str, seed: int, numbers: Iterator[int] | range) -> Counter[str]:
    """Run cases; returns how often each outcome came. Raises Finding at the first failure."""
    outcomes: Counter[str] = Counter()
    for number in numbers:
        data = case(decoder, seed, number)
        try:
            outcomes[TARGETS[decoder].run(data, randomness(f"{decoder}/run", seed, number))] += 1
        except Exception as error:
            raise Finding(decoder, seed, number, data) from error
    return outcomes


@contextmanager
def _traced(step: Callable[[FrameType, str, Any], Any]) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(before)


def count_steps(action: Callable[[], object]) -> int:
    """How many lines of Python an action executes: the same on every machine, unlike a clock."""
    count = 0

    def step(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return step

    with _traced(step):
        action()
    return count
