"""Texts of the key-ring's face in its two languages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kwhub.prepay.medium import Arrival

__all__ = ["ARRIVALS", "TEXTS"]

TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "en": {
            "title": "Key-ring",
            "meter": "meter",
            "customer": "customer",
            "carries": "carries",
            "nothing": "nothing",
            "purchase": "{amount}, purchase {count}",
            "usage": "brought back",
            "told": "left {money}, purchase {count}",
            "none_yet": "not yet",
            "page": "meter shows",
            "ready": "Hold it to the meter and press Enter.",
            "blank": "This medium is blank: go to the counter.",
            "working": "Working …",
            "closing": "You may close: press the meter's key.",
            "keys": "enter load  ← → pages  l 中文  esc off",
            "trouble": "Trouble: {why}",
        },
        "zh": {
            "title": "钥匙扣介质",
            "meter": "电表",
            "customer": "用户",
            "carries": "待写入",
            "nothing": "无",
            "purchase": "{amount} 元，第 {count} 次购电",
            "usage": "已带回",
            "told": "剩余 {money} 元，第 {count} 次购电",
            "none_yet": "尚无",
            "page": "电表显示",
            "ready": "对准电表，按回车键。",
            "blank": "空白介质：请到售电处开卡。",
            "working": "正在通信……",
            "closing": "已允许合闸：请按电表按键。",
            "keys": "回车 充值  ← → 翻屏  l English  esc 关机",
            "trouble": "故障：{why}",
        },
    }
)

ARRIVALS: Final[Mapping[str, Mapping[Arrival, str]]] = MappingProxyType(
    {
        "en": {
            Arrival.DONE: "Loaded.",
            Arrival.ALREADY: "Already loaded: nothing was booked twice.",
            Arrival.NOTHING: "Read; nothing to load.",
            Arrival.REFUSED: "Refused: {why}",
            Arrival.UNKNOWN: "No answer: hold it to the meter again.",
        },
        "zh": {
            Arrival.DONE: "购电已写入。",
            Arrival.ALREADY: "此次购电已在表内，未重复写入。",
            Arrival.NOTHING: "已抄读，无购电。",
            Arrival.REFUSED: "被拒绝：{why}",
            Arrival.UNKNOWN: "无应答，请重新对准电表。",
        },
    }
)
