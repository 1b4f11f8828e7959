"""``kwhub ble scan``: who is heard by Bluetooth."""

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.bluetooth.advertising import Seen
from kwhub.cli.ble import ADAPTER, AdapterOption, opened
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.runtime.clock import SystemClock

__all__ = ["ble_scan"]

WORDS = {
    "en": {
        "headings": ("address", "name", "profiles", "dBm", "what it is"),
        "slave": "can be connected to",
        "beacon": "beacon {major}/{minor}",
        "closed": "cannot be connected to",
        "nobody": "Nobody was heard in {seconds:g} s.",
    },
    "zh": {
        "headings": ("地址", "名称", "透传服务", "dBm", "类型"),
        "slave": "可连接",
        "beacon": "信标 {major}/{minor}",
        "closed": "不可连接",
        "nobody": "{seconds:g} 秒内未发现设备。",
    },
}


async def ble_scan(
    *,
    adapter: AdapterOption = ADAPTER,
    seconds: Annotated[float, Parameter(validator=Number(gt=0, lte=300))] = 5.0,
    everybody: Annotated[bool, Parameter(name="--all", negative="")] = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """List the devices with transparent transmission that are heard, the nearest first.

    The exit code is 1 when there is none. Example:

        kwhub ble scan --adapter tcp-client:127.0.0.1:6402 --seconds 3

    Parameters
    ----------
    seconds
        How long to listen.
    everybody
        Also devices that offer none of the known profiles, such as beacons.
    """
    async with opened(adapter, None, SystemClock()) as station:
        heard = await station.scan(seconds)
    shown = [each for each in heard if everybody or each.profiles]
    words: dict[str, Any] = WORDS[pick_language(language)]
    if json:
        print_json({"devices": [_as_json(each) for each in shown]})
    elif shown:
        rows = [
            (
                each.address,
                each.name,
                ", ".join(each.profiles),
                str(each.rssi_dbm),
                _what(each, words),
            )
            for each in shown
        ]
        print_table(words["headings"], rows, right=(3,), whole=(0,))
    else:
        say(words["nobody"].format(seconds=seconds))
    return Exit.OK if shown else Exit.NO


def _what(seen: Seen, words: dict[str, Any]) -> str:
    if seen.beacon is not None:
        return str(words["beacon"].format(major=seen.beacon.major, minor=seen.beacon.minor))
    return str(words["slave" if seen.is_connectable else "closed"])


def _as_json(seen: Seen) -> dict[str, Any]:
    beacon = seen.beacon
    return {
        "address": seen.address,
        "name": seen.name,
        "profiles": seen.profiles,
        "rssi_dbm": seen.rssi_dbm,
        "connectable": seen.is_connectable,
        "beacon": None
        if beacon is None
        else {"uuid": beacon.identifier, "major": beacon.major, "minor": beacon.minor},
    }
