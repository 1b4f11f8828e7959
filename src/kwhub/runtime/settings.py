"""Settings from TOML files into typed structures; every mistake is told with file, line, key and remedy.

A settings structure is written ``class Site(Settings, frozen=True)`` (a type checker wants the word again).
``Annotated[..., Meta(description="twelve digits in quotes")]`` gives the words for what would be right;
without them they follow from the type. Checks that need more than one field raise :class:`WrongSetting`
in ``__post_init__``.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from kwhub.domain.errors import ConfigError
from kwhub.runtime.toml_lines import KeyPath, key_lines, nearest_line

__all__ = ["Settings", "WrongSetting", "expected", "load_toml", "parse_toml"]

T = TypeVar("T")

SETTINGS_BYTES_MAX = 16 * 1024 * 1024
"""Larger files are refused; a concentrator with 2040 meters has about 200 kB."""

_SECRET = re.compile(r"password|secret|token|credential|private|pin$", re.IGNORECASE)
_AT = re.compile(r" - at `\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*?)`")
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*?)`")
_WORDS: tuple[tuple[type[inspect.Type], str], ...] = (
    (inspect.BoolType, "true or false"),
    (inspect.StrType, "text in quotes"),
    (inspect.DecimalType, "a decimal number in quotes"),
    (inspect.DateTimeType, "a date and time"),
    (inspect.DateType, "a date"),
    (inspect.StructType, "a table"),
    (inspect.DictType, "a table"),
    (inspect.CollectionType, "a list"),
)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every settings structure: immutable; unknown keys are mistakes."""


class WrongSetting(ValueError):
    """Raised in ``__post_init__`` for a value that is wrong beside its fellows.

    Attributes:
        key: path below the structure that raises it, such as ``meter[2].point``; may be empty.
        what: what would be right.
    """

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")
        self.key = key
        self.what = what


def _no_check(_settings: Any) -> None:
    """Nothing more to hold."""


def load_toml(path: str | Path, settings: type[T], *, check: Callable[[T], None] = _no_check) -> T:
    """Read a TOML file into ``settings``.

    Args:
        path: the file.
        settings: the type of the outermost table.
        check: more rules for the whole, raising WrongSetting; for those that need a wider world
            than the structures know.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or does not say what ``settings`` needs;
            with file, line, key, and what would be right.
    """
    file = Path(path)
    try:
        if file.stat().st_size > SETTINGS_BYTES_MAX:
            raise ConfigError(f"larger than {SETTINGS_BYTES_MAX} bytes", file=str(path))
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", file=str(path)) from error
    return parse_toml(text, settings, file=str(path), check=check)


def parse_toml(
    text: str, settings: type[T], *, file: str = "", check: Callable[[T], None] = _no_check
) -> T:
    """Do the same for text that is already in memory; ``file`` is only its name in messages.

    Raises:
        ConfigError: see :func:`load_toml`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, text, file) from error
    try:
        found = msgspec.convert(data, settings, strict=True)
        check(found)
    except (msgspec.ValidationError, WrongSetting) as error:
        key, what = _explain(error, data, settings)
        # tomllib reads line ends as it likes; the scanner counts on plain ones.
        lines = key_lines(text.replace("\r\n", "\n"))
        raise ConfigError(
            what, file=file, line=nearest_line(lines, key) or 1, key=_dotted(key)
        ) from error
    return found


def _not_toml(error: tomllib.TOMLDecodeError, text: str, file: str) -> ConfigError:
    found = re.search(r" \(at line (\d+), column \d+\)$| \(at end of document\)$", str(error))
    line = text.count("\n") + 1
    message = str(error)
    if found:
        message = message[: found.start()]
        line = int(found[1]) if found[1] else line
    return ConfigError(f"is not valid TOML: {message}", file=file, line=line)


def _explain(
    error: msgspec.ValidationError | WrongSetting, data: Mapping[str, Any], settings: Any
) -> tuple[KeyPath, str]:
    """Where it is wrong, and what would be right."""
    if isinstance(error, WrongSetting):
        return _steps(error.key), error.what
    return _explain_invalid(error, data, settings)


def _explain_invalid(
    error: msgspec.ValidationError, data: Mapping[str, Any], settings: Any
) -> tuple[KeyPath, str]:
    message = str(error)
    found = _AT.search(message)
    path = _steps(found["path"]) if found else ()
    if isinstance(error.__cause__, WrongSetting):
        return path + _steps(error.__cause__.key), error.__cause__.what
    if isinstance(error.__cause__, ValueError):
        return path, str(error.__cause__)
    kind = _kind_at(inspect.type_info(settings), path)
    if unknown := _UNKNOWN.match(message):
        return (*path, unknown["name"]), _unknown_key(unknown["name"], kind)
    if missing := _MISSING.match(message):
        need = expected(_kind_at(kind, (missing["name"],)))
        return (*path, missing["name"]), f"is missing; write {need}"
    return _wrong_value(path, kind, data)


def _wrong_value(
    path: KeyPath, kind: inspect.Type | None, data: Mapping[str, Any]
) -> tuple[KeyPath, str]:
    if "..." in path:  # msgspec does not say which key of a free table it was
        return path[: path.index("...")], f"every value must be {expected(kind)}"
    what = f"must be {expected(kind)}"
    value = _value_at(data, path)
    if value is not None and not any(_SECRET.search(str(step)) for step in path):
        what += f", not {_shown(value)}"
    return path, what


def _steps(text: str) -> KeyPath:
    return tuple(
        int(step["index"]) if step["index"] else step["name"] or "..."
        for step in _STEP.finditer(text)
    )


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).lstrip(".")


def _plain(kind: inspect.Type | None) -> inspect.Type | None:
    """Without descriptions, and without "or nothing"."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        real = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return _plain(real[0]) if len(real) == 1 else kind
    return kind


def _kind_at(kind: inspect.Type | None, path: KeyPath) -> inspect.Type | None:
    """The declared type behind a path; None when the path leaves what is declared."""
    for step in path:
        outer = _plain(kind)
        if isinstance(outer, inspect.StructType):
            kind = next((f.type for f in outer.fields if f.encode_name == step), None)
        elif isinstance(outer, inspect.CollectionType):
            kind = outer.item_type
        elif isinstance(outer, inspect.DictType):
            kind = outer.value_type
        else:
            return None
    return kind


def _value_at(data: Any, path: KeyPath) -> Any:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def expected(kind: inspect.Type | None) -> str:
    """A declared type in words."""
    if isinstance(kind, inspect.Metadata) and (kind.extra_json_schema or {}).get("description"):
        return str((kind.extra_json_schema or {})["description"])
    plain = _plain(kind)
    if isinstance(plain, inspect.LiteralType):
        return "one of " + ", ".join(repr(value) for value in plain.values)
    if isinstance(plain, inspect.EnumType):
        return "one of " + ", ".join(repr(member.value) for member in plain.cls)
    if isinstance(plain, inspect.IntType | inspect.FloatType):
        name = "a whole number" if isinstance(plain, inspect.IntType) else "a number"
        return name + _bounds(plain)
    words = (word for cls, word in _WORDS if isinstance(plain, cls))
    return next(words, "something else")


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    parts = (
        (kind.ge, "from"),
        (kind.gt, "above"),
        (kind.le, "to" if kind.ge is not None else "up to"),
        (kind.lt, "below"),
    )
    return "".join(f" {word} {value}" for value, word in parts if value is not None)


def _unknown_key(name: str, kind: inspect.Type | None) -> str:
    plain = _plain(kind)
    known = (
        [field.encode_name for field in plain.fields]
        if isinstance(plain, inspect.StructType)
        else []
    )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "known keys are " + ", ".join(known)
    return f"is not a known key; {hint}"
