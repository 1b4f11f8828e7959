"""What a token means, in Chinese; the terms of IEC 62055-41 stay beside them, because keys and logs have those."""

import re
from types import MappingProxyType
from typing import Final

__all__ = ["FIELDS", "KINDS_ZH", "UNITS_ZH", "trouble_in_chinese"]

KINDS_ZH: Final = MappingProxyType(
    {
        "TransferElectricityCredit": "充入电量",
        "TransferWaterCredit": "充入水量",
        "TransferGasCredit": "充入气量",
        "TransferTimeCredit": "充入时间",
        "TransferElectricityCurrencyCredit": "充入电费",
        "TransferWaterCurrencyCredit": "充入水费",
        "TransferGasCurrencyCredit": "充入气费",
        "TransferTimeCurrencyCredit": "充入计时费",
        "InitiateMeterTest/Display": "电表测试或显示",
        "SetMaximumPowerLimit": "设置最大功率",
        "ClearCredit": "清除余额",
        "SetTariffRate": "设置费率",
        "KeyChange section 1": "更换密钥第 1 段",
        "KeyChange section 2": "更换密钥第 2 段",
        "KeyChange section 3": "更换密钥第 3 段",
        "KeyChange section 4": "更换密钥第 4 段",
        "ClearTamperCondition": "清除窃电状态",
        "SetMaximumPhasePowerUnbalanceLimit": "设置最大三相不平衡功率",
        "SetWaterMeterFactor": "设置水表系数",
        "Reserved": "保留",
    }
)
"""By the name of the kind; a test holds them to the table of kinds."""

UNITS_ZH: Final = MappingProxyType({"kWh": "千瓦时", "m3": "立方米", "min": "分钟", "W": "瓦"})

FIELDS: Final = MappingProxyType(
    {
        "control": "控制字",
        "manufacturer": "厂商",
        "key_expiry_high": "密钥有效期高位",
        "key_expiry_low": "密钥有效期低位",
        "key_revision": "密钥修订号",
        "roll_over": "换用下一基准日期",
        "key_type": "密钥类型",
        "tariff_index": "费率索引",
        "supply_group_low": "供电组低位",
        "supply_group_high": "供电组高位",
    }
)

_TROUBLE: Final = (
    (
        r"a token of class (?P<kind>\d) is enciphered: give the meter's key",
        "第 {kind} 类令牌已加密：请给出电表密钥",
    ),
    (
        r"the check sum does not fit: .*",
        "校验和不符：某一位数字有误，或令牌属于另一只电表或另一密钥",
    ),
    (
        r"a token has (?P<digits>\d+) digits, not (?P<found>\d+) characters",
        "令牌为 {digits} 位数字，而不是 {found} 个字符",
    ),
    (r"the number is more than 66 bits", "数字超过 66 位二进制"),
    (
        r"the base date (?P<base>\d+) ends in (?P<days>-?\d+) days: .*",
        "基准日期 {base} 还有 {days} 天到期：电表需换用下一基准日期的密钥",
    ),
)


def trouble_in_chinese(text: str) -> str:
    """What is wrong with a token, in Chinese; any other text as it is."""
    for pattern, chinese in _TROUBLE:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return chinese.format(**found.groupdict())
    return text
