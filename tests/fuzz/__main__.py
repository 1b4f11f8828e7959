"""Fuzz the decoders: ``python -m tests.fuzz [DECODER ...] [--seconds S] [--seed N] [--case N]``.

Prints what came out how often. Exit code 1 at the first input that makes no sense, with the command that
runs it again; 2 for a wrong name.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import TextIO

from tests.fuzz.decoders import TARGETS
from tests.fuzz.harness import Finding, case, run

__all__ = ["main"]


def _say(text: str, to: TextIO | None = None) -> None:
    (to or sys.stdout).write(f"{text}\n")
    (to or sys.stdout).flush()


def _until(end: float) -> Iterator[int]:
    for number in count():
        if time.monotonic() >= end:
            return
        yield number


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("decoders", nargs="*", metavar="DECODER", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=10.0, help="for each decoder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run one case, shown in hexadecimal first")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.decoders) - set(TARGETS))
    if unknown:
        parser.error(f"no decoder {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    for decoder in options.decoders or TARGETS:
        numbers: Iterator[int] = _until(time.monotonic() + options.seconds)
        if options.case is not None:
            _say(case(decoder, options.seed, options.case).hex(" "))
            numbers = iter([options.case])
        try:
            outcomes = run(decoder, options.seed, numbers)
        except Finding as finding:
            if options.case is not None:
                raise
            _say(f"{finding}\n{finding.__cause__!r}", to=sys.stderr)
            return 1
        most = ", ".join(f"{word} {number}" for word, number in outcomes.most_common(6))
        _say(f"{decoder:<24} {outcomes.total():>8} cases: {most}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
