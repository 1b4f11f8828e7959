"""Bytes beside their meaning, for people. Explaining never fails, whatever the bytes are."""

from dataclasses import dataclass
from unicodedata import east_asian_width

__all__ = ["Explanation", "Part"]

_HEX_BYTES_A_LINE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes of the raw frame, with its name and its meaning in both languages."""

    start: int
    stop: int
    name: str
    name_zh: str
    meaning: str
    meaning_zh: str
    ok: bool = True  #: False where something is wrong

    def words(self, language: str) -> tuple[str, str]:
        """Name and meaning in ``en`` or ``zh``."""
        return (self.name_zh, self.meaning_zh) if language == "zh" else (self.name, self.meaning)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


@dataclass(frozen=True, slots=True)
class Explanation:
    """All parts of a raw frame, in order."""

    raw: bytes
    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return all(part.ok for part in self.parts)

    def render(self, language: str = "en") -> str:
        """A table: offset, bytes, name, meaning; a wrong part is marked with ``!``."""
        rows: list[tuple[str, str, str, str]] = []
        for part in self.parts:
            name, meaning = part.words(language)
            chunk = self.raw[part.start : part.stop]
            lines = [
                chunk[at : at + _HEX_BYTES_A_LINE].hex(" ").upper()
                for at in range(0, len(chunk), _HEX_BYTES_A_LINE)
            ] or [""]
            mark = " " if part.ok else "!"
            rows.append((f"{mark}{part.start:4d}", lines[0], name, meaning))
            rows.extend(("", line, "", "") for line in lines[1:])
        widths = [max((_width(row[column]) for row in rows), default=0) for column in range(3)]
        return "\n".join(
            "  ".join(
                [*(_padded(row[column], widths[column]) for column in range(3)), row[3]]
            ).rstrip()
            for row in rows
        )
