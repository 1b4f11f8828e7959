"""Any pulse file in, any pulse file out.

Source: the formats' sources stand in their modules.
"""

import re
from collections.abc import Callable, Mapping

from kwhub.domain.errors import LocalError
from kwhub.infrared.formats import flipper, jsonl, logic, text
from kwhub.infrared.formats.trains import TEXT_MAX, Train, bad
from kwhub.infrared.pulses import Pulses

__all__ = ["FORMATS", "detect", "read", "read_trains", "write"]

ZIP = b"PK\x03\x04"
WRITERS: Mapping[str, Callable[[Pulses], str | bytes]] = {
    "mode2": text.write_mode2,
    "raw": text.write_raw,
    "pronto": text.write_pronto,
    "flipper": flipper.write_flipper,
    "vcd": logic.write_vcd,
    "csv": text.write_csv,
    "sr": logic.write_sr,
    "jsonl": jsonl.write_jsonl,
}
FORMATS = tuple(WRITERS)
READERS: Mapping[str, Callable[[str], list[Train]]] = {
    "mode2": text.read_mode2,
    "raw": text.read_raw,
    "pronto": text.read_pronto,
    "flipper": flipper.read_flipper,
    "jsonl": jsonl.read_jsonl,
}
SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("jsonl", re.compile(r"\s*[\[{]\s*[\"\]}\[\d+-]")),
    ("flipper", re.compile(r"\s*(#.*\n\s*)*(Filetype:|name:)")),
    ("vcd", re.compile(r"\s*\$(date|version|comment|timescale|scope|var)\b")),
    ("pronto", re.compile(r"(\s*#.*\n)*\s*0[01]00\s+[0-9A-Fa-f]{4}\s+[0-9A-Fa-f]{4}\s")),
    ("mode2", re.compile(r"(.*\n){0,20}?\s*(pulse|space|timeout)\s+[\d.]")),
    ("csv", re.compile(r"(\s*[#;].*\n)*\s*\"?(time|duration|[a-z_]+\s*,)", re.IGNORECASE)),
    ("csv", re.compile(r"(\s*[#;].*\n)*\s*[\d.eE+-]+\s*[,;\t]\s*[01]\s*\n")),
    ("raw", re.compile(r"(\s*#.*\n)*[\s\[{(]*[+-]?[\d.]")),
)


def detect(data: bytes | str) -> str:
    """The format of a file, from how it begins; raises ``DecodeError`` when it is none."""
    if isinstance(data, bytes):
        if data.startswith(ZIP):
            return "sr"
        data = data[:TEXT_MAX].decode("utf-8-sig", "replace")
    head = data[:4096]
    for name, sign in SIGNS:
        if sign.match(head):
            return name
    detail = f"this is no pulse file: none of {', '.join(FORMATS)}"
    raise bad(detail if head.strip() else "the file is empty", 1)


def read_trains(
    data: bytes | str,
    form: str | None = None,
    *,
    channel: str | None = None,
    inverted: bool | None = None,
) -> list[Train]:
    """Every train of a file with its name and what else the file says of it.

    ``channel`` and ``inverted`` (low is light) are for recordings: vcd, csv and sr. Raises
    ``DecodeError`` for a file that cannot be read and LocalError for an unknown format.
    """
    if len(data) > TEXT_MAX:
        raise bad(f"the file is longer than {TEXT_MAX} bytes")
    name = detect(data) if form is None else _known(form)
    if name == "sr":
        binary = data if isinstance(data, bytes) else data.encode("latin-1", "replace")
        return logic.read_sr(binary, channel=channel, inverted=inverted)
    content = data if isinstance(data, str) else data.decode("utf-8-sig", "replace")
    if name == "vcd":
        return logic.read_vcd(content, channel=channel, inverted=inverted)
    if name == "csv":
        return text.read_csv(content, inverted=inverted)
    return READERS[name](content)


def read(data: bytes | str, form: str | None = None) -> list[Pulses]:
    """The trains of a file; raises ``DecodeError`` at the first that cannot be read."""
    trains = read_trains(data, form)
    for train in trains:
        if train.error is not None:
            raise train.error
    return [train.pulses for train in trains]


def write(pulses: Pulses, form: str) -> str | bytes:
    """A file with one train; text, or bytes for ``sr``. What is lost stands at each writer."""
    return WRITERS[_known(form)](pulses)


def _known(form: str) -> str:
    if form not in WRITERS:
        raise LocalError(f"unknown format {form!r}; there are {', '.join(FORMATS)}")
    return form
