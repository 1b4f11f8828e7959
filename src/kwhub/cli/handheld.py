"""``kwhub handheld``: enrol a handheld, show its screens, or walk a round and deliver without them."""

import asyncio
import getpass
import os
import stat
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from cyclopts import Parameter

from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import ConfigError, LinkError, LocalError, NoAnswer
from kwhub.exchange.device_messages import REFUSED
from kwhub.handheld.app import Device
from kwhub.handheld.lending import Lent
from kwhub.handheld.records import Place, Visit
from kwhub.handheld.screens.words import words
from kwhub.handheld.tasks import Tasks
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

__all__ = [
    "change_pin",
    "collect_round",
    "enrol_handheld",
    "lend_handheld",
    "show_handheld",
    "synchronise_handheld",
]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

PinFile: TypeAlias = Annotated[
    Path | None,
    Parameter(name="--pin-file", help="File with the PIN, mode 0600; without it the PIN is asked."),
]


Via: TypeAlias = Annotated[
    str | None,
    Parameter(
        help="Link to a device that lends its way to the head-end ('' for none), kept in the settings."
    ),
]


async def enrol_handheld(
    folder: Path,
    *,
    code: Annotated[
        str | None, Parameter(help="What the QR code says; without it, it is asked for.")
    ] = None,
    via: Via = None,
    pin_file: PinFile = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Give a handheld its identity, with the code of its allocation.

    The code is what 'kwhub headend device allocate' shows once. It holds a secret: leave --code out where
    others can see the list of processes. Without a network, --via names a device that lends its way: it sees
    neither the secret nor the new key. Example:

        kwhub handheld enrol ~/handheld

    Parameters
    ----------
    folder
        Where the device keeps everything: vault, work, settings.
    """
    text = code if code is not None else _asked("code: ")
    device = _device(folder)
    if via is not None:
        await device.change(via=via)
    name = await device.enrol(text, _pin(pin_file, again=not device.exists))
    if json:
        print_json({"device": name})
    else:
        chinese = pick_language(language) == ZH
        say(f"{name}：已取得身份。" if chinese else f"{name} has its identity.")
    return Exit.OK


async def show_handheld(
    folder: Path,
    *,
    link: Annotated[str | None, Parameter(help="Link to the meters, kept in the settings.")] = None,
    via: Via = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show the screens of a handheld; they open with its PIN.

    The link may name {terminal} and {meter}. With --json, print the settings that hold before anybody has
    signed in. Example:

        kwhub handheld run ~/handheld --link ir:serial:/dev/ttyUSB0

    Parameters
    ----------
    folder
        Of the device, as it was enrolled.
    """
    from kwhub.handheld.screens.app import HandheldScreens  # noqa: PLC0415 - an extra brings it

    if not json and not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise LocalError("the screens need a terminal; 'kwhub handheld collect' needs none")
    device = _device(folder)
    if link is not None:
        await device.change(link=link)
    if via is not None:
        await device.change(via=via)
    if json:
        print_json({"enrolled": device.exists, **msgspec.structs.asdict(device.settings)})
        return Exit.OK
    await HandheldScreens(device, pick_language(language)).run_async(mouse=False)
    return Exit.OK


async def collect_round(
    folder: Path,
    *,
    link: Annotated[str | None, Parameter(help="Link to the meters, kept in the settings.")] = None,
    group: Annotated[
        str | None, Parameter(help="Area or terminal; without it, everything.")
    ] = None,
    offline: Annotated[
        bool, Parameter(negative="", help="Keep everything until it is synchronised.")
    ] = False,
    pin_file: PinFile = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Read every meter of the work orders that was not read yet; goes on where it was stopped.

    While the head-end is in reach, readings go there as they are taken; otherwise they wait on the device. The exit
    code is 1 when a meter was not read. Example:

        kwhub handheld collect ~/handheld --link tcp:10.0.0.7:4001

    Parameters
    ----------
    folder
        Of the device, as it was enrolled.
    """
    device = _device(folder)
    if link is not None:
        await device.change(link=link)
    async with _signed_in(device, pin_file) as tasks:
        places = _places(tasks, group)
        async with _reporting(tasks, device.settings.report and not offline):
            async for visit in tasks.collect(places):
                if not json:
                    say(_visited(visit, pick_language(language)))
        seen, waiting = tasks.progress(places), tasks.delivery.waiting
    if json:
        told = {"total": seen.total, "read": seen.read, "failed": seen.failed, "waiting": waiting}
        print_json(told)
    elif pick_language(language) == ZH:
        say(f"已抄 {seen.read}/{seen.total}，失败 {seen.failed}；待上传 {waiting} 条。")
    else:
        say(f"{seen.read} of {seen.total} read, {seen.failed} failed; {waiting} readings wait.")
    return Exit.OK if seen.read == seen.total else Exit.NO


async def synchronise_handheld(
    folder: Path,
    *,
    via: Via = None,
    pin_file: PinFile = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Deliver what a handheld has read, and fetch its work.

    May be repeated after any failure: nothing is lost and nothing arrives twice. The exit code is 1 when the
    head-end has not taken a reading. Example:

        kwhub handheld sync ~/handheld

    Parameters
    ----------
    folder
        Of the device, as it was enrolled.
    """
    device = _device(folder)
    if via is not None:
        await device.change(via=via)
    async with _signed_in(device, pin_file) as tasks:
        count = await tasks.delivery.synchronise()
        orders, refused = len(tasks.orders()), tasks.delivery.refused
    chinese = pick_language(language) == ZH
    if json:
        told = [{**msgspec.to_builtins(each.reading), "reason": each.reason} for each in refused]
        print_json({"delivered": count, "orders": orders, "refused": told})
        return Exit.NO if refused else Exit.OK
    for each in refused:
        say(f"{each.reading.meter} {each.reading.register}  {REFUSED[each.reason][chinese]}")
    if chinese:
        say(f"已上传 {count} 条读数，工单 {orders} 个。")
    else:
        say(f"{count} readings delivered, {orders} work orders.")
    return Exit.NO if refused else Exit.OK


def _places(tasks: Tasks, group: str | None) -> list[Place]:
    """The meters of an area or terminal, or all. Raises LocalError: there is none of this name."""
    choices = [*tasks.choices("area"), *tasks.choices("terminal")]
    found = [each for choice in choices if group in {None, choice.name} for each in choice.places]
    if group is not None and not found:
        raise LocalError(f"no area and no terminal is named {group}")
    return list(dict.fromkeys(found))


def _visited(visit: Visit, language: Language) -> str:
    failed = visit.failure.detail if visit.failure and not visit.read_at else ""
    if failed and visit.failure and language == ZH:
        failed = words(ZH).trouble(visit.failure.kind, failed)
    values = "  ".join(f"{each.value} {each.unit}" for each in visit.values)
    return f"{visit.place.meter}  {failed or values}"


async def lend_handheld(
    folder: Path,
    *,
    listen: Annotated[
        str, Parameter(help="Where the other device calls: tcp-listen:, or a link such as serial:.")
    ] = "tcp-listen:127.0.0.1:6480",
    pin_file: PinFile = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Lend the way to the head-end to another handheld, until Ctrl-C.

    The borrower speaks with the head-end in its own name, inside its own TLS: nothing of it can be seen here, and it
    reaches nobody else. It names this device with 'kwhub handheld run --via tcp:HOST:PORT'. Example:

        kwhub handheld lend ~/handheld --listen tcp-listen:192.168.1.5:6480

    Parameters
    ----------
    folder
        Of the device that lends, as it was enrolled.
    """
    cancel_on_terminate()
    device, chinese = _device(folder), pick_language(language) == ZH

    def told(lent: Lent) -> None:
        if json:
            print_json(lent._asdict())
        elif chinese:
            say(f"{lent.address}：当前借用 {lent.borrowers}，累计 {lent.served}")
        else:
            say(f"{lent.address}: {lent.borrowers} borrow now, {lent.served} in all")

    async with _signed_in(device, pin_file):
        await device.lend(listen, told)
    return Exit.OK


def change_pin(
    folder: Path,
    *,
    pin_file: PinFile = None,
    new_pin_file: Annotated[
        Path | None, Parameter(help="File with the new PIN, mode 0600; without it, it is asked.")
    ] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Change the PIN of a handheld.

    A wrong PIN counts as at any sign-in: the tenth in a row destroys what the device has. Example:

        kwhub handheld pin ~/handheld

    Parameters
    ----------
    folder
        Of the device, as it was enrolled.
    """
    device = _device(folder)
    old = _pin(pin_file)
    device.change_pin(old, _pin(new_pin_file, again=True, question="new PIN: "))
    if json:
        print_json({"changed": True})
    else:
        say("PIN 已修改。" if pick_language(language) == ZH else "The PIN is changed.")
    return Exit.OK


@asynccontextmanager
async def _reporting(tasks: Tasks, wanted: bool) -> AsyncIterator[None]:  # noqa: FBT001 - a switch of the caller's
    """Deliver as readings are taken, and what is left at the end; what cannot go now waits."""
    if not wanted:
        yield
        return
    async with asyncio.TaskGroup() as group:
        running = group.create_task(tasks.reporter.run())
        try:
            yield
        finally:
            running.cancel()
    with suppress(LinkError, NoAnswer):
        await tasks.delivery.deliver(finish=False)


def _device(folder: Path) -> Device:
    return Device(folder, SystemClock(), seeded(int.from_bytes(os.urandom(8)), "handheld"))


@asynccontextmanager
async def _signed_in(device: Device, pin_file: Path | None) -> AsyncIterator[Tasks]:
    try:
        yield device.sign_in(_pin(pin_file))
    finally:
        await device.sign_out()


def _pin(file: Path | None, *, again: bool = False, question: str = "PIN: ") -> str:
    """The PIN from a file that nobody else may read, or from the keyboard; twice when it is a new one."""
    if file is not None:
        if file.stat().st_mode & _OTHERS:
            raise ConfigError("others may read it: give it mode 0600 (chmod 600)", file=str(file))
        try:
            return file.read_text("utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError("is no UTF-8 text: write the PIN into it", file=str(file)) from None
    pin = _asked(question)
    if again and _asked(question) != pin:
        raise LocalError("the two PINs differ")
    return pin


def _asked(question: str) -> str:
    """What a person types unseen. Raises LocalError: nobody is there."""
    try:
        with warnings.catch_warnings(action="ignore", category=getpass.GetPassWarning):
            return getpass.getpass(question)
    except EOFError:
        sys.stderr.write("\n")  # nobody has pressed a key for it
        raise LocalError(
            "the input ended before anything was typed: use --pin-file (and --code) where nobody is"
        ) from None
