"""The command line: one thin module for each group of commands."""

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``kwhub`` command."""
    from kwhub.cli.app import run  # noqa: PLC0415 - keeps ``import kwhub.cli`` cheap

    sys.exit(run(sys.argv[1:]))
