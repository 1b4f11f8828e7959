"""Wrong settings and trouble of the system, told to readers of both languages."""

import ast
import errno
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from msgspec import inspect

import kwhub
from kwhub.cli.app import run
from kwhub.cli.said import ROWS, said
from kwhub.domain.errors import ConfigError, LinkDown, NoAnswer, Refusal
from kwhub.exchange.device_messages import Denied, denial
from kwhub.runtime.settings import Settings, expected
from kwhub.runtime.settings_words import DESCRIPTIONS, expected_in_chinese

CHINESE = re.compile("[\u4e00-\u9fff]")
SOURCE = Path(kwhub.__file__).parent
RAISED = {"ConfigError": 0, "WrongSetting": 1}
"""Which argument says what is wrong."""
FILLED = ("1", "X")


def texts_of(node, fill):
    """A text as it is written, with something in place of what is filled in; None for no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            getattr(part, "value", fill) if isinstance(part, ast.Constant) else fill
            for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return f"{texts_of(node.left, fill) or fill}{texts_of(node.right, fill) or fill}"
    return None


def said_anywhere(fill):
    """Place and text of everything that is said of settings."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and len(node.args) > RAISED.get(name, 99):
                text = texts_of(node.args[RAISED[name]], fill)
                if text and re.search("[a-z]{2}", text):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", text


def test_all_that_is_said_of_settings_has_chinese_words():
    missing = [
        (place, text)
        for place, text in said_anywhere("1")
        if not CHINESE.search(said(ConfigError(text), "zh").removeprefix("参数"))
    ]
    assert missing == []


def test_every_row_is_of_a_text_that_stands_in_the_code():
    written: list[str] = []
    for path in SOURCE.rglob("*.py"):
        if path.name.startswith("error_words"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            written += [text for fill in FILLED if (text := texts_of(node, fill))]
    known = "\n".join(dict.fromkeys(written))
    assert [row for row, _ in ROWS if not re.search(row, known)] == []


def fields_of(settings):
    found = inspect.type_info(settings)
    assert isinstance(found, inspect.StructType)
    return found.fields


def kinds_of_settings():
    """Every type that a key of a settings file has."""
    for module in pkgutil.walk_packages(kwhub.__path__, "kwhub."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    classes = [Settings]
    for each in classes:
        classes += [
            inner for inner in each.__subclasses__() if inner.__module__.startswith("kwhub.")
        ]
    kinds = [field.type for each in classes[1:] for field in fields_of(each)]
    for kind in kinds:
        inner = kind
        while isinstance(inner, inspect.Metadata):
            inner = inner.type
        kinds += [
            getattr(inner, name) for name in ("item_type", "value_type") if hasattr(inner, name)
        ]
        kinds += getattr(inner, "types", ())
    return kinds


@pytest.mark.slow
def test_all_that_settings_should_be_has_chinese_words():
    words = {expected(kind) for kind in kinds_of_settings()}
    assert {"true or false", "a whole number from 1 to 31"} <= words
    english = {text for text in words if not CHINESE.search(expected_in_chinese(text))}
    assert english <= {"true or false"}
    assert {text for text in DESCRIPTIONS if text not in words} <= {"a date", "a date and time"}


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (
            ConfigError(
                "must be a whole number from 1 to 31, not 32",
                file="a.toml",
                line=3,
                key="bus[0].port",
            ),
            "a.toml:3: bus[0].port: must be a whole number from 1 to 31, not 32",
            "a.toml:3：bus[0].port：须为 1 至 31 的整数，而不是 32",
        ),
        (
            OSError(
                errno.EADDRINUSE,
                "error while attempting to bind on address ('127.0.0.1', 6402): address already in use",
            ),
            "127.0.0.1:6402: another program has this port; end it, or choose another port",
            "127.0.0.1:6402：端口已被其他程序占用；请结束该程序，或换用其他端口",
        ),
        (
            LinkDown(
                "adapter tcp-client:127.0.0.1:1: [Errno 111] Connect call failed ('127.0.0.1', 1)"
            ),
            "adapter tcp-client:127.0.0.1:1: nobody answers at 127.0.0.1:1; is the other side running?",
            "适配器 tcp-client:127.0.0.1:1：127.0.0.1:1 无人应答；对方是否在运行？",
        ),
        (
            LinkDown("connecting to F0:00:00:00:00:09: no answer in time"),
            "connecting to F0:00:00:00:00:09: no answer in time; kwhub ble scan shows who is near",
            "连接 F0:00:00:00:00:09：未及时应答；可用 kwhub ble scan 查看附近设备",
        ),
        (
            LinkDown("scan: no answer in time"),
            "scan: no answer in time; is the adapter still there?",
            "扫描：未及时应答；适配器是否仍在？",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "ro/k"),
            "ro/k: Permission denied",
            "ro/k：权限不足",
        ),
        (
            LinkDown("serial:/dev/nope: [Errno 2] No such file or directory: '/dev/nope'"),
            "serial:/dev/nope: No such file or directory",
            "serial:/dev/nope：文件或文件夹不存在",
        ),
        (
            NoAnswer("meter 000000000001 is silent", attempts=3),
            "meter 000000000001 is silent after 3 attempts",
            "电能表 000000000001 无应答（已尝试 3 次）",
        ),
        (
            Refusal(("wrong PIN; 4 tries are left",)),
            "refused: wrong PIN; 4 tries are left",
            "被拒绝：PIN 错误；还可尝试 4 次",
        ),
        (
            denial(Denied("locked")),
            "refused: the device is locked; ask the head-end's staff",
            "被拒绝：设备已锁定，请联系主站人员",
        ),
        (Refusal(("no authority",)), "refused: no authority", "refused: no authority"),
        (LinkDown("what nobody knows"), "what nobody knows", "what nobody knows"),
    ],
)
def test_an_error_is_told_in_either_language(error, english, chinese):
    assert said(error, "en") == english
    assert said(error, "zh") == chinese


@pytest.mark.parametrize(
    "words", [["ble", "nodes"], ["concentrator", "run"], ["headend", "run"], ["terminal", "run"]]
)
def test_settings_that_are_wrong_are_told_in_the_language_of_the_command(
    tmp_path, capsys, monkeypatch, words
):
    monkeypatch.setenv("KWHUB_LANGUAGE", "zh")
    path = tmp_path / "wrong.toml"
    path.write_text("adaptor = 1\n")
    assert run([*words, str(path)]) == 2
    told = capsys.readouterr().err
    assert "不是已知的键" in told or "缺少" in told
    assert "Traceback" not in told
