"""Words for trouble with Bluetooth links, in English and Chinese; the stack has only names for it."""

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ENDED", "NO_ANSWER", "TROUBLES", "WHERE", "in_chinese", "in_words"]

NO_ANSWER = "no answer in time"
ENDED = "the link has ended"
NO_ERROR = "SUCCESS"

TROUBLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "AUTHENTICATION_REQUIREMENTS": (
            "the two sides are set to different ways of pairing",
            "双方配对方式不同",
        ),
        "CONFIRM_VALUE_FAILED": (
            "the digits are not the same, or one side said no",
            "数字不一致，或有一方拒绝",
        ),
        "DHKEY_CHECK_FAILED": ("the digits are not the same", "数字不一致"),
        "NUMERIC_COMPARISON_FAILED": ("one side said no", "有一方拒绝"),
        "INVALID_PARAMETERS": ("the other side is not who it claims to be", "对方身份不符"),
        "OOB_NOT_AVAILABLE": ("it has no out-of-band data", "对方没有带外数据"),
        "PAIRING_NOT_SUPPORTED": ("it lets nobody pair now", "对方当前不允许配对"),
        "PASSKEY_ENTRY_FAILED": ("no passkey was typed", "未输入配对码"),
        "SUCCESS": ("the adapter is gone", "蓝牙适配器已断开"),
        "REPEATED_ATTEMPTS": (
            "one try a link, or too many tries; make a new link",
            "每次连接只能配对一次，或尝试过于频繁；请重新连接",
        ),
        "UNSPECIFIED_REASON": ("one side has given up", "有一方放弃"),
        "AUTHENTICATION_FAILURE_ERROR": ("one side does not trust the other", "认证失败"),
        "CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR": ("it was not heard", "未收到对方信号"),
        "CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR": ("this side has ended it", "本方已断开"),
        "CONNECTION_TERMINATED_DUE_TO_MIC_FAILURE_ERROR": (
            "the two sides have different keys",
            "双方密钥不一致",
        ),
        "CONNECTION_TIMEOUT_ERROR": ("it is not heard any more", "对方信号已消失"),
        "PIN_OR_KEY_MISSING_ERROR": ("it has no key for this side", "对方没有本方密钥"),
        "REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES_ERROR": (
            "the other side has no room",
            "对方连接数已满",
        ),
        "REMOTE_USER_TERMINATED_CONNECTION_ERROR": ("the other side has ended it", "对方已断开"),
        "UNKNOWN_CONNECTION_IDENTIFIER_ERROR": ("it was not heard", "未收到对方信号"),
    }
)
"""What the standard calls it, for people.  Source: Core 5.4, Vol 1, Part F, and Vol 3, Part H, 3.5.5."""

WHERE = (
    (r"connecting to (\S+)", "连接 {0}"),
    (r"pairing with (\S+)", "与 {0} 配对"),
    (r"securing the link with (\S+)", "加密与 {0} 的链路"),
    (r"adapter (\S+)", "适配器 {0}"),
    (r"(ble:\S+)", "{0}"),
    (r"scan", "扫描"),
    (r"advertising", "广播"),
)
"""Where it happened: what stands before the colon."""

WHAT = (
    (NO_ANSWER, "未及时应答"),
    (ENDED, "链路已断开"),
    (r"the link is closed", "链路已关闭"),
    (r"closed by this side", "本方已关闭"),
    (r"cannot be asked to notify", "无法订阅通知"),
    (r"offers none of the profiles (.+)", "不提供透传服务 {0}"),
    (r"the bond is not authenticated", "配对未经认证"),
    (r"there is no such adapter", "没有该适配器"),
    (
        r"it is in use; take it down \((.+)\) and end bluetoothd",
        "正被占用；请先停用（{0}）并结束 bluetoothd",
    ),
    (r"it is in use by another process", "正被其他进程占用"),
    (r"it needs the right CAP_NET_ADMIN", "需要 CAP_NET_ADMIN 权限"),
    (r"this system has no Bluetooth \((.+)\)", "本系统未启用蓝牙（{0}）"),
    (r"it is blocked \((.+)\)", "已被禁用（{0}）"),
    (r"only Linux has such adapters", "仅 Linux 支持此类适配器"),
)
"""What happened."""

WHOLE = (
    (
        r"holds keys and may be read by others; do: chmod 600",
        "含有密钥且他人可读；请执行 chmod 600",
    ),
    (r"is no file; name one that can hold keys", "不是普通文件；请指定可保存密钥的文件"),
    (
        r"is no key file \((.+)\); move it away and pair again",
        "不是密钥文件（{0}）；请移走后重新配对",
    ),
    (r"keys are missing", "缺少密钥"),
    (r"it is no whole JSON", "JSON 不完整"),
    (r"(\S+) is wrong", "{0} 有误"),
    (
        r"is no kept setting \(.*\); remove it to begin anew",
        "不是保存的设置；删除后可重新开始",
    ),
    (r"is no Bluetooth adapter; such are: (.+)", "不是蓝牙适配器；蓝牙适配器如：{0}"),
    (r"is incomplete; such are: (.+)", "不完整；蓝牙适配器如：{0}"),
    (
        r"a Bluetooth address is six bytes, such as (\S+), with /P when it is public",
        "蓝牙地址为六个字节，如 {0}，公共地址加 /P",
    ),
    (r"(\S+) is not paired: kwhub ble pair \S+", "{0} 未配对：请执行 kwhub ble pair {0}"),
    (r"(\S+) is connected already", "{0} 已连接"),
    (
        r"(\S+) has lost its bond: .*",
        "{0} 已丢失配对：设备已复位或更换；请核对表号后重新配对（kwhub ble pair --replace）",
    ),
)


def in_words(name: str) -> str:
    """What a name of the standard means, with the name behind it; unknown ones as they are."""
    if name == NO_ERROR:  # the stack has no other name for it
        return TROUBLES[name][0]
    return f"{TROUBLES[name][0]} ({name})" if name in TROUBLES else name


def in_chinese(text: str) -> str:
    """Trouble with a link in Chinese; any other text as it is."""
    whole = _found(text, WHOLE)
    if whole:
        return whole
    for pattern, place in WHERE:
        if (where := re.match(pattern + ": ", text)) is not None:
            return f"{place.format(*where.groups())}：{_what(text[where.end() :])}"
    return text


def _what(text: str) -> str:
    ended, colon, why = text.partition(": ")
    if colon and ended == ENDED:
        return f"{_found(ended, WHAT)}：{_what(why)}"
    return _found(text, WHAT) or _trouble(text) or text


def _trouble(text: str) -> str:
    if text == in_words(NO_ERROR):
        return TROUBLES[NO_ERROR][1]
    name = text.rpartition("(")[2].rstrip(")")
    return f"{TROUBLES[name][1]} ({name})" if text == in_words(name) and name in TROUBLES else ""


def _found(text: str, rows: tuple[tuple[str, str], ...]) -> str:
    for pattern, chinese in rows:
        if (found := re.fullmatch(pattern, text)) is not None:
            return chinese.format(*(_found(part, rows) or part for part in found.groups()))
    return ""
