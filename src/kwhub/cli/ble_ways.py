"""The questions of pairing, put on the standard error and answered on the standard input."""

import asyncio
import os
import select
import sys
import termios
from collections.abc import Mapping
from typing import Literal, TypeAlias

from kwhub.bluetooth.pairing import Asked, OutOfBand, Pairing, Way
from kwhub.cli.output import Language
from kwhub.domain.errors import LocalError

__all__ = ["WayOption", "asking"]

WayOption: TypeAlias = Literal["compare", "type", "show", "oob"]
OUT_OF_BAND_BYTES = 32
DROPPED_BYTES = 4_096

WORDS = {
    "en": {
        "same": "The other side must show {number:06d}. Does it? [y/N] ",
        "typed": "The six digits that the other side shows: ",
        "show": "Type on the other side: {number:06d}",
        "ours": "Out-of-band data of this side: {data}",
        "theirs": "Out-of-band data of the other side: ",
        "over": "\nThat question is over: the link has ended.\n",
        "bad_data": "out-of-band data are 64 hexadecimal digits",
    },
    "zh": {
        "same": "对方应显示 {number:06d}，是否一致？[y/N] ",
        "typed": "请输入对方显示的六位数字：",
        "show": "请在对方输入：{number:06d}",
        "ours": "本方带外数据：{data}",
        "theirs": "对方带外数据：",
        "over": "\n链路已断开，该问题已取消。\n",
        "bad_data": "带外数据为 64 位十六进制数字",
    },
}


async def asking(way: WayOption, language: Language) -> Pairing:
    """The policy of a side at which a person sits; out-of-band data are exchanged at once.

    Raises:
        LocalError: what was typed are no out-of-band data.
    """
    words = WORDS[language]
    withdrawn = False
    asked = asyncio.Lock()  # one question at a time: an answer is for the one that stands there

    async def ask(question: str, *, typed_ahead: bool) -> str:
        nonlocal withdrawn
        async with asked:
            if withdrawn or not typed_ahead:
                _drop_typed_ahead()
            try:
                return await _asked(question)
            except asyncio.CancelledError:
                withdrawn = True
                _tell(words["over"])
                raise

    async def same(number: int) -> bool:
        answer = await ask(words["same"].format(number=number), typed_ahead=False)
        return answer.lower() in ("y", "yes", "是")

    async def typed() -> int | None:
        answer = await ask(words["typed"], typed_ahead=True)
        return int(answer) if answer.isascii() and answer.isdigit() else None

    def show(number: int) -> None:
        _tell(words["show"].format(number=number) + "\n")

    pairing = Pairing(Way(way), Asked(same, typed, show), is_open=True)
    if pairing.way is Way.OUT_OF_BAND:
        pairing.out_of_band = await _exchanged(words)
    return pairing


async def _exchanged(words: Mapping[str, str]) -> OutOfBand:
    """Show our out-of-band data and ask for those of the other side."""
    data = OutOfBand()
    _tell(words["ours"].format(data=data.shared.hex()) + "\n")
    try:
        theirs = bytes.fromhex(await _asked(words["theirs"]))
    except ValueError as error:
        raise LocalError(words["bad_data"]) from error
    if len(theirs) != OUT_OF_BAND_BYTES:
        raise LocalError(words["bad_data"])
    data.take(theirs)
    return data


def _tell(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _drop_typed_ahead() -> None:
    """Whatever was typed before a question is put is no answer to it."""
    handle = sys.stdin.fileno()
    if os.isatty(handle):
        termios.tcflush(handle, termios.TCIFLUSH)
    while select.select((handle,), (), (), 0)[0] and os.read(handle, DROPPED_BYTES):
        pass


async def _asked(question: str) -> str:
    """A line from the standard input; empty at its end. No thread waits for it beyond a cancellation."""
    _tell(question)
    handle, heard = sys.stdin.fileno(), bytearray()
    while not heard.endswith(b"\n"):
        await _readable(handle)
        byte = os.read(handle, 1)
        if not byte:
            _tell("\n")  # nobody has pressed a key for it
            break
        heard += byte
    return heard.decode(errors="replace").strip()


async def _readable(handle: int) -> None:
    """Wait until a read does not block; a file never does."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(handle, ready.set)
    except PermissionError:
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)
