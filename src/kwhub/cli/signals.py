"""Stopping: Ctrl-C and the system's wish to terminate end a command the same, orderly way."""

import asyncio
import signal
from collections.abc import Callable

__all__ = ["call_on_hangup", "cancel_on_terminate", "interrupt_on_terminate"]


def interrupt_on_terminate() -> None:
    """Have SIGTERM do what Ctrl-C does, so that files are closed and scratch folders vanish.

    A shell starts background jobs with SIGINT ignored; here it counts again, because these
    commands run until somebody stops them.
    """
    # By way of Ctrl-C: a running loop hears that one in good order, wherever it is at the moment.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def cancel_on_terminate() -> None:
    """Inside a running loop: have SIGTERM cancel the present task, as Ctrl-C does by itself."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def call_on_hangup(call: Callable[[], None]) -> None:
    """Inside a running loop: have SIGHUP call something, as services do to read their settings anew."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)
