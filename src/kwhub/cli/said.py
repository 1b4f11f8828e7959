"""An error in one line: in the reader's language, and without what only programmers understand."""

import re

from kwhub.cli.error_words import ROWS as SETTING_ROWS
from kwhub.cli.error_words_devices import DEVICE_ROWS
from kwhub.cli.output import ZH, Language
from kwhub.domain.errors import ConfigError, NoAnswer, Refusal
from kwhub.runtime.settings_words import expected_in_chinese, settings_in_chinese, told

__all__ = ["said"]

_CHINESE = re.compile("[\u4e00-\u9fff]")
ROWS = (*DEVICE_ROWS, *SETTING_ROWS)
_BIND = r"(?:\[Errno \d+\] )?error while attempting to bind on address \('([^']+)', (\d+)[^)]*\): "
_SYSTEM: tuple[tuple[str, str, str], ...] = (
    (
        _BIND + r"(?:\[Errno \d+\] )?address already in use",
        r"\1:\2: another program has this port; end it, or choose another port",
        r"\1:\2：端口已被其他程序占用；请结束该程序，或换用其他端口",
    ),
    (
        _BIND + ".*",
        r"\1:\2: this computer cannot listen there; choose another address or port",
        r"\1:\2：本机无法在此监听；请换用其他地址或端口",
    ),
    (
        r"(?:\[Errno \d+\] )?Connect call failed \('([^']+)', (\d+)[^)]*\)",
        r"nobody answers at \1:\2; is the other side running?",
        r"\1:\2 无人应答；对方是否在运行？",
    ),
    (
        r"\[Errno \d+\] could not open port ([^:]+): .*",
        r"there is no port \1, or another program has it",
        r"没有串口 \1，或已被其他程序占用",
    ),
    (
        r"LIBUSB_ERROR_\w+ \[-?\d+\]",
        "no USB dongle can be opened there; is it plugged in, and may this user open it?",
        "无法打开 USB 适配器；是否已插入，当前用户有无权限？",
    ),
    (r"\[Errno \d+\] ([^:]+)(?:: '.*')?", r"\1", r"\1"),
)
"""What the system says, in words: pattern, English, Chinese."""

_ADVICE: tuple[tuple[str, str, str], ...] = (
    (r"scan: no answer in time", "; is the adapter still there?", "；适配器是否仍在？"),
    (
        r"connecting to \S+: no answer in time",
        "; kwhub ble scan shows who is near",
        "；可用 kwhub ble scan 查看附近设备",
    ),
    (
        r"pairing with .*\(AUTHENTICATION_REQUIREMENTS\)",
        "; choose another --way",
        "；请换用其他 --way",
    ),
    (
        r"pairing with .*\((?:PASSKEY_ENTRY_FAILED|CONFIRM_VALUE_FAILED)\)",
        "; pair once more",
        "；请重新配对",
    ),
)
"""What to do next, where the text does not say it."""


def said(error: Exception, language: Language) -> str:
    """What a person reads of an error."""
    zh = language == ZH
    if isinstance(error, ConfigError):
        return _config(error) if zh else _plain(str(error), zh=False)
    if isinstance(error, OSError) and error.filename is not None:
        what = error.strerror or str(error)
        return f"{error.filename}：{_chinese(what)}" if zh else f"{error.filename}: {what}"
    if zh and isinstance(error, NoAnswer | Refusal):
        return _of_peer(error)
    text = str(error)
    plain = _plain(text, zh=zh)
    advice = next((row[1 + zh] for row in _ADVICE if re.fullmatch(row[0], text)), "")
    return (_chinese(plain) if zh else plain) + advice


def _plain(text: str, *, zh: bool) -> str:
    for pattern, english, chinese in _SYSTEM:
        if re.search(pattern, text):
            return re.sub(pattern, chinese if zh else english, text)
    return text


def _of_peer(error: NoAnswer | Refusal) -> str:
    """What the other side has not said, or will not do."""
    text = str(error)
    if isinstance(error, NoAnswer):
        known = _chinese(error.detail)
        return text if known == error.detail else f"{known}（已尝试 {error.attempts} 次）"
    whole = _of_counter(text)
    if whole != text:
        return whole
    from kwhub.exchange.device_messages import WORDS  # noqa: PLC0415 - only for this

    denied = dict(WORDS.values())
    reasons = [denied.get(reason) or _chinese(reason) for reason in error.reasons]
    return text if tuple(reasons) == error.reasons else "被拒绝：" + "，".join(reasons)


def _config(error: ConfigError) -> str:
    place = error.file or "参数"
    if error.line is not None:
        place += f":{error.line}"
    key = error.key.replace("adapter ", "适配器 ", 1)
    return "：".join(part for part in (place, key, _chinese(_plain(error.what, zh=True))) if part)


def _chinese(text: str) -> str:
    """In Chinese as far as there are words for it."""
    from kwhub.bluetooth import words  # noqa: PLC0415 - only for this

    known = told(text, ROWS, _inner) or settings_in_chinese(text)
    if known:
        return known.strip()
    found = _of_counter(words.in_chinese(text))
    if found != text:
        return found
    where, colon, what = text.partition(": ")
    rest = _chinese(what) if colon else ""
    if colon and (rest != what or _CHINESE.search(what)):
        return f"{where.replace('configuration', '参数')}：{rest}"
    return text


def _of_counter(text: str) -> str:
    """What the counter refuses, in Chinese; other text as it is."""
    try:
        from kwhub.headend.vending_words import in_chinese  # noqa: PLC0415 - only for this
    except ImportError:
        return text
    return in_chinese(text)


def _inner(text: str) -> str:
    """A part of a text that may have words of its own."""
    return told(text, ROWS, _inner) or settings_in_chinese(text) or expected_in_chinese(text)
