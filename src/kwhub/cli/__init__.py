"""The command line: one thin module for each group of commands."""

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``kwhub`` command."""
    from kwhub.cli.app import run  # noqa: PLC0415 - keeps ``import kwhub.cli`` cheap
    from kwhub.cli.signals import interrupt_on_terminate  # noqa: PLC0415 - the same

    interrupt_on_terminate()
    sys.exit(run(sys.argv[1:]))
