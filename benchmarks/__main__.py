"""Run all benchmarks, or those that are named: ``python -m benchmarks [--json] [NAME ...]``.

Prints a line for each result; with ``--json`` a list of objects. Exit code 0 when every promise
is kept, 1 when one is missed, 2 for a wrong name.
"""

import argparse
import json
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module

import benchmarks
from benchmarks.result import Result

__all__ = ["main"]

_NOT_BENCHMARKS = ("__main__", "result")


def _names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if name not in _NOT_BENCHMARKS and name[0] != "_")


def _run(names: list[str]) -> Iterator[Result]:
    for name in names:
        outcome = import_module(f"benchmarks.{name}").run()
        yield from [outcome] if isinstance(outcome, Result) else outcome


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_names()))
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(_names()))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(_names())}")
    results = []
    for result in _run(options.names or _names()):
        results.append(result)
        if not options.json:
            print(result.line(), flush=True)
    if options.json:
        rows = [asdict(result) | {"ratio": result.ratio, "kept": result.kept} for result in results]
        print(json.dumps(rows, indent=2))
    return 0 if all(result.kept for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
