"""``kwhub ble pair``: make a bond with a device, or put a new device in the place of another."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.replacement import replace_device
from kwhub.cli.ble import ADAPTER, AdapterOption, KeysOption, opened
from kwhub.cli.ble_ways import WayOption, asking
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    complain,
    pick_language,
    print_json,
    say,
)
from kwhub.domain.errors import LinkError, LocalError
from kwhub.exchange.read import read_address
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645.addresses import normalise
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock

__all__ = ["ble_pair"]

WORDS = {
    "en": {
        "done": "{address} is paired.",
        "replaced": "{new} has taken the place of {old}, with meter {meter}.",
        "stopped": "stopped: {address} was not paired",
        "no_keys": "pairing needs a place for the bond: --keys FILE",
        "no_meter": "--replace needs --meter, the number on the nameplate of the new meter",
    },
    "zh": {
        "done": "{address} 已配对。",
        "replaced": "{new} 已替换 {old}，电表 {meter}。",
        "stopped": "已中止：{address} 未配对",
        "no_keys": "配对需要保存密钥的文件：--keys FILE",
        "no_meter": "--replace 需要 --meter，即新电表铭牌上的表号",
    },
}


async def ble_pair(
    address: str,
    *,
    adapter: AdapterOption = ADAPTER,
    keys: KeysOption = None,
    way: WayOption = "type",
    replace: Annotated[str | None, Parameter(name="--replace")] = None,
    meter: Annotated[str | None, Parameter(name="--meter")] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Pair with a device by LE Secure Connections, and keep the bond in the key file.

    Somebody must be able to look at the device: nothing is paired unseen. Questions are put on the
    standard error and answered on the standard input. Example:

        kwhub ble pair F0:00:00:00:00:01 --keys reader.keys --way type

    Parameters
    ----------
    address
        Of the device, as kwhub ble scan lists it.
    way
        compare: both show six digits; type: those of the device are typed here; show: those of this
        side are typed there; oob: data are carried to the other side, such as by a QR code.
    replace
        Address of the device whose place this one takes; the same address when it was only reset.
        The bond of the old one is retired once the new one has shown the number of its meter.
    meter
        Number of the meter that must be found, with --replace.
    """
    spoken = pick_language(language)
    words = WORDS[spoken]
    if keys is None:
        raise LocalError(words["no_keys"])
    if replace is not None and meter is None:
        raise LocalError(words["no_meter"])
    wish = _Wish(address, adapter, keys, replace, None if meter is None else normalise(meter))
    pairing = await asking(way, spoken)
    if not await _was_paired(wish, pairing):
        complain(words["stopped"].format(address=address.upper()))
        return Exit.NO
    if json:
        print_json({"address": address.upper(), "paired": True, "replaced": replace})
    else:
        say(_done(wish, words))
    return Exit.OK


@dataclass(frozen=True, slots=True)
class _Wish:
    """Who shall be paired with; see the options."""

    address: str
    adapter: str
    keys: Path
    replace: str | None
    number: str | None


def _done(wish: _Wish, words: Mapping[str, str]) -> str:
    new = wish.address.upper()
    if wish.replace is None:
        return words["done"].format(address=new)
    return words["replaced"].format(new=new, old=wish.replace.upper(), meter=wish.number)


async def _was_paired(wish: _Wish, pairing: Pairing) -> bool:
    """Pair; False when somebody has stopped it, also when the link had ended by then."""
    try:
        await _pair(wish, pairing)
    except asyncio.CancelledError:
        return False
    except LinkError:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        return False
    return True


async def _pair(wish: _Wish, pairing: Pairing) -> None:
    clock = SystemClock()
    async with opened(wish.adapter, wish.keys, clock, pairing) as station:
        station.keys.check()
        if wish.replace is None or wish.number is None:
            await station.pair(wish.address)
            return

        async def shown(link: Link) -> str:
            found: str = await Driver(link, Session(Role.MASTER), clock).run(read_address())
            return found

        await replace_device(station, wish.replace, wish.address, wish.number, shown)
