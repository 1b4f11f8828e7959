"""At which line of a TOML text a key stands, which ``tomllib`` does not tell.

The text must already have been accepted by ``tomllib``: this scanner follows it and judges nothing.
Source: TOML 1.0.0 (keys, tables, arrays of tables, strings).
"""

import json
import tomllib
from typing import TypeAlias

__all__ = ["KeyPath", "key_lines", "nearest_line"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Names of tables and keys, and indices of arrays, from the outside in."""

_BARE_END = frozenset(",]}#\n")
_BLANK = frozenset(" \t\r\n")


def key_lines(text: str) -> dict[KeyPath, int]:
    r"""Line (from 1) of every key, table header and array element of a valid TOML text.

    >>> key_lines('[[bus]]\nname = "east"\nmeter = [\n  {point = 1},\n]\n')["bus", 0, "meter", 0, "point"]
    4
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def nearest_line(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """Line of a key or, when it is not written, of the closest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}  # arrays of tables: path -> index of the last one

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self.text.startswith("[[", self.at):
                self.at += 2
                names, line = self._keys("]")
                self.at += 2
                where = (*self._settle(names[:-1]), names[-1])
                self._arrays[where] = self._arrays.get(where, -1) + 1
                table = (*where, self._arrays[where])
                self._note(table, line)
            elif self.text[self.at] == "[":
                self.at += 1
                names, line = self._keys("]")
                self.at += 1
                table = self._settle(names)
                self._note(table, line)
            else:
                self._pair(table)

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _settle(self, names: KeyPath) -> KeyPath:
        """Put the index of the array's last table after each name that is an array of tables."""
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _skip_blank(self) -> bool:
        """Move to the next token; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in _BLANK:
                self.at += 1
            else:
                return True
        return False

    def _keys(self, stop: str) -> tuple[KeyPath, int]:
        """Read a dotted key up to ``stop``, which is left in place."""
        names: list[str] = []
        self._skip_blank()
        line = self._line()
        while self.text[self.at] != stop:
            if self.text[self.at] in "\"'":
                names.append(self._string())
            else:
                begin = self.at
                while self.text[self.at] not in f" \t.{stop}":
                    self.at += 1
                names.append(self.text[begin : self.at])
            while self.text[self.at] in " \t.":
                self.at += 1
        return tuple(names), line

    def _pair(self, table: KeyPath) -> None:
        names, line = self._keys("=")
        self.at += 1
        path = table + names
        self._note(path, line)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        opening = self.text[self.at]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._group(path, "]")
        elif opening == "{":
            self._group(path, "}")
        else:
            while self.at < len(self.text) and self.text[self.at] not in _BARE_END:
                self.at += 1

    def _group(self, path: KeyPath, closing: str) -> None:
        """Go through an array or an inline table."""
        self.at += 1
        index = 0
        while self._skip_blank() and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
            elif closing == "}":
                self._pair(path)
            else:
                self._note((*path, index), self._line())
                self._value((*path, index))
                index += 1
        self.at += 1

    def _string(self) -> str:
        quote = self.text[self.at]
        fence = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        begin = self.at
        self.at += len(fence)
        while not self.text.startswith(fence, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(fence)
        while len(fence) == 3 and self.text.startswith(quote, self.at):
            self.at += 1  # up to two quotes may stand before the closing three
        value = tomllib.loads("it = " + self.text[begin : self.at])["it"]
        return value if isinstance(value, str) else json.dumps(value)
