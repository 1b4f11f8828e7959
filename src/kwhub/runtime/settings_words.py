"""Chinese for what is wrong with settings, and for trouble of the system; a test holds it to the English.

Messages are made in English where a mistake is found, and are told in Chinese where a person reads them.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

__all__ = ["DESCRIPTIONS", "Rows", "expected_in_chinese", "settings_in_chinese", "told"]

Rows = Iterable[tuple[str, str]]
"""Pattern of the whole English text, and the Chinese with ``{0}`` for its groups, which are told in Chinese too."""

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "true or false": "true 或 false",
        "text in quotes": "加引号的文本",
        "a decimal number in quotes": "加引号的小数",
        "a date and time": "日期和时间",
        "a date": "日期",
        "a table": "表",
        "a list": "列表",
        "something else": "其他值",
        "16 hexadecimal digits in quotes": "加引号的 16 位十六进制数字",
        "20 digits in quotes": "加引号的 20 位数字",
        "four digits in quotes, such as '4101'": "加引号的四位数字，如 '4101'",
        "twelve digits in quotes": "加引号的十二位数字",
        "twelve digits in quotes that end in 00": "加引号、以 00 结尾的十二位数字",
        "eight hexadecimal digits in quotes": "加引号的八位十六进制数字",
        "the twelve digits on the meter, in quotes": "电能表铭牌上的十二位数字，加引号",
        "the twelve digits printed on the meter, in quotes": "电能表铭牌上的十二位数字，加引号",
        'a region code of four digits in quotes, such as "4101"': '加引号的四位行政区划码，如 "4101"',
        "names of quirks with a space between, or empty text": "以空格分隔的差异名称，或空文本",
        "a Bluetooth controller, such as 'usb:0'": "蓝牙控制器，如 'usb:0'",
        "a UUID in quotes, such as '6e400001-b5a3-f393-e0a9-e50e24dcca9e'": (
            "加引号的 UUID，如 '6e400001-b5a3-f393-e0a9-e50e24dcca9e'"
        ),
        "six bytes in quotes, such as 'F0:12:34:56:78:9A', with /P when it is public": (
            "加引号的六个字节，如 'F0:12:34:56:78:9A'，公共地址加 /P"
        ),
        "twelve digits in quotes, or a primary address of M-Bus, such as '7'": (
            "加引号的十二位数字，或 M-Bus 主地址，如 '7'"
        ),
        "a primary address such as '5', or a number such as '12345678' or '12345678-KAM'": (
            "主地址，如 '5'，或编号，如 '12345678'、'12345678-KAM'"
        ),
        'the product of current and voltage transformer ratios, such as 60 or "1.5"': (
            '电流、电压互感器变比之积，如 60 或 "1.5"'
        ),
        "times awake_s: so long is it awake in any hour, at most": (
            "与 awake_s 之积为每小时最长唤醒时间"
        ),
    }
)
"""What would be right, where it is not made from a type."""

_EXPECTED: Rows = (
    (r"a link address such as (\S+)", "链路地址，如 {0}"),
    (r"text in quotes of (\d+) to (\d+) characters", "加引号的 {0} 至 {1} 个字符"),
    (r"text in quotes of at most (\d+) characters", "加引号、不超过 {0} 个字符的文本"),
    (r"text of at most (\d+) characters", "不超过 {0} 个字符的文本"),
    (r"one of (.+)", " {0} 之一"),
)

_SETTINGS: Rows = (
    (r"must be (.+), not (.+)", "须为{0}，而不是 {1}"),
    (r"must be (.+)", "须为{0}"),
    (r"every value must be (.+)", "每个值须为{0}"),
    (r"is missing; write (.+)", "缺少；请填写{0}"),
    (r"is not a known key; did you mean (.+)\?", "不是已知的键；是否为 {0}？"),
    (r"is not a known key; known keys are (.+)", "不是已知的键；已知的键有 {0}"),
    (r"larger than (\d+) bytes", "超过 {0} 字节"),
    (r"cannot be read: (.+)", "无法读取：{0}"),
    (r"cannot be read", "无法读取"),
    (r"cannot be written: (.+)", "无法写入：{0}"),
    (r"cannot be used: (.+)", "无法使用：{0}"),
    (r"is not UTF-8 text \(byte (\d+)\)", "不是 UTF-8 文本（第 {0} 字节）"),
    (r"is not UTF-8 text", "不是 UTF-8 文本"),
    (r"is not valid TOML: (.+)", "TOML 语法错误：{0}"),
)

_OF_PARSERS: Rows = (
    (r"Input data was truncated", "内容不完整"),
    (r"JSON is malformed: .+", "JSON 格式有误"),
    (r"Object contains unknown field `(.+)`.*", "不是已知的键 {0}"),
    (r"(?:Expected|Invalid) .+ - at `\$\.(.+)`", "{0} 的值有误"),
    (r"Illegal character (.+)", "非法字符 {0}"),
    (r"Expected '=' after a key in a key/value pair", "键后缺少 '='"),
    (r"Expected newline or end of document after a statement", "语句后须换行"),
    (r"Expected '\]+' at the end of (?:a|an) .*declaration", "表头缺少右方括号"),
    (r"Invalid (?:value|statement)", "无效的值或语句"),
    (r"Invalid initial character for a key part", "键名无效"),
    (r"Un(?:terminated|closed) (?:string|array|inline table)", "引号或括号未闭合"),
    (r"Expected \"?'+\"?.*", "引号未闭合"),
    (r"Cannot (?:overwrite a value|declare .+ twice|mutate .+)", "键或表重复"),
    (r"Unescaped '\\' in a string", "字符串中的 '\\' 未转义"),
)

_BOUNDS: Mapping[str, str] = MappingProxyType(
    {"from": "不小于", "above": "大于", "to": "不超过", "up to": "不超过", "below": "小于"}
)

_ERRORS: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOENT: "文件或文件夹不存在",
        errno.EACCES: "权限不足",
        errno.EPERM: "不允许此操作",
        errno.EEXIST: "文件已存在",
        errno.EISDIR: "是文件夹",
        errno.ENOTDIR: "不是文件夹",
        errno.EROFS: "文件系统只读",
        errno.ENOSPC: "磁盘空间不足",
        errno.EIO: "输入输出错误",
        errno.EBUSY: "设备忙",
        errno.ENODEV: "没有此设备",
        errno.ENXIO: "没有此设备",
        errno.ENAMETOOLONG: "文件名过长",
        errno.EADDRINUSE: "端口已被占用",
        errno.EADDRNOTAVAIL: "本机没有此地址",
        errno.ECONNREFUSED: "连接被拒绝",
        errno.ECONNRESET: "连接已被对方断开",
        errno.EPIPE: "连接已断开",
        errno.ETIMEDOUT: "连接超时",
        errno.EHOSTUNREACH: "主机不可达",
        errno.ENETUNREACH: "网络不可达",
    }
)
_OF_SYSTEM: Mapping[str, str] = MappingProxyType(
    {os.strerror(number): chinese for number, chinese in _ERRORS.items()}
)


def told(text: str, rows: Rows, inner: Callable[[str], str]) -> str:
    """The Chinese of a text that one of the rows knows, empty when none does."""
    for pattern, chinese in rows:
        if (found := re.fullmatch(pattern, text, re.DOTALL)) is not None:
            return chinese.format(*(inner(group or "") for group in found.groups()))
    return ""


def expected_in_chinese(text: str) -> str:
    """What would be right, as `kwhub.runtime.settings.expected` has it; unknown words as they are."""
    return DESCRIPTIONS.get(text) or _number(text) or told(text, _EXPECTED, str) or text


def settings_in_chinese(text: str) -> str:
    """What is wrong with a setting, or what the system says; empty when it is not known here."""
    return (
        _OF_SYSTEM.get(text, "")
        or told(
            text, _SETTINGS, lambda part: settings_in_chinese(part) or expected_in_chinese(part)
        )
        or told(text, _OF_PARSERS, str)
    )


def _number(text: str) -> str:
    """A number and its bounds."""
    found = re.fullmatch(
        r"(a whole number|a number)((?: (?:from|above|to|up to|below) \S+)*)", text
    )
    if found is None:
        return ""
    name = "整数" if found[1] == "a whole number" else "数"
    bounds = re.findall(r"(from|above|up to|to|below) (\S+)", found[2])
    if [word for word, _ in bounds] == ["from", "to"]:
        return f" {bounds[0][1]} 至 {bounds[1][1]} 的{name}"
    words = "且".join(f"{_BOUNDS[word]} {value}" for word, value in bounds)
    return f"{words} 的{name}" if words else name
