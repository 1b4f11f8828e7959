"""Between counter and key-ring: commands of the medium's element over any link, USB or infrared alike.

A frame is two bytes of length, high byte first, that many bytes, and a CRC-16 (1021, FFFF) over both. The counter asks, the
key-ring answers with data and status word; what was damaged or torn is dropped after a pause, and the counter
begins its step again: a sale under the same payment is the same sale.

Source: kwhub; the commands within are those of ``kwhub.prepay.medium_card``.
"""

import asyncio
import binascii
from typing import Final

import structlog

from kwhub.domain.errors import DecodeError, LinkDown, NoAnswer
from kwhub.links.base import Link
from kwhub.prepay.element.interface import SecureElement

__all__ = ["ANSWER_S", "Port", "attend_counter"]

ANSWER_S: Final = 5.0
"""How long the counter waits for an answer, in seconds."""

_PAUSE_S = 0.5  #: after it, what is there of a frame is dropped
_LENGTH_MAX = 300
_HEAD, _CHECK, _STATUS = 2, 2, 2
_log = structlog.get_logger("kwhub.keyring")


def _framed(content: bytes) -> bytes:
    head = len(content).to_bytes(_HEAD) + content
    return head + binascii.crc_hqx(head, 0xFFFF).to_bytes(_CHECK)


class _Frames:
    """Frames of a link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._kept = b""

    async def read(self) -> bytes:
        """The content of the next good frame. Raises LinkDown."""
        while True:
            try:
                async with asyncio.timeout(_PAUSE_S if self._kept else None):
                    self._kept += await self.link.read()
            except TimeoutError:
                self._kept = b""
            try:
                content = self._taken()
            except DecodeError as error:
                _log.warning("frame_dropped", why=error.detail)
                self._kept = b""
                continue
            if content is not None:
                return content

    def _taken(self) -> bytes | None:
        """A whole frame. Raises DecodeError: what is there is none."""
        if len(self._kept) < _HEAD:
            return None
        length = int.from_bytes(self._kept[:_HEAD])
        if length > _LENGTH_MAX:
            raise DecodeError("bad_length", f"{length} bytes are no frame of a medium")
        end = _HEAD + length
        if len(self._kept) < end + _CHECK:
            return None
        head, check = self._kept[:end], self._kept[end : end + _CHECK]
        if binascii.crc_hqx(head, 0xFFFF).to_bytes(_CHECK) != check:
            raise DecodeError("checksum_mismatch", "the check sum does not fit")
        self._kept = self._kept[end + _CHECK :]
        return head[_HEAD:]


async def attend_counter(link: Link, card: SecureElement) -> None:
    """Answer a counter until the link is down.

    Args:
        link: to the counter.
        card: ``kwhub.prepay.medium_card.MediumCard`` over the element.
    """
    frames = _Frames(link)
    try:
        while True:
            data, status = card.transmit(await frames.read())
            await link.write(_framed(data + status.to_bytes(_STATUS)))
    except LinkDown:
        return


class Port:
    """The counter's end.

    Args:
        link: to the key-ring.
        wait_s: for an answer.
    """

    def __init__(self, link: Link, wait_s: float = ANSWER_S) -> None:
        self._frames = _Frames(link)
        self._wait_s = wait_s

    async def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """Carry out one command: data and status word.

        Raises:
            NoAnswer: nothing good came back in time.
            LinkDown: the link is gone.
        """
        await self._frames.link.write(_framed(apdu))
        try:
            async with asyncio.timeout(self._wait_s):
                answer = await self._frames.read()
        except TimeoutError:
            raise NoAnswer("the key-ring does not answer: hold it still, and begin again") from None
        return answer[:-_STATUS], int.from_bytes(answer[-_STATUS:])
