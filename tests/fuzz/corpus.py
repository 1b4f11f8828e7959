"""What the damage starts from: the chosen vectors, those of the shared corpus when it is there, examples."""

import json
import os
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from kwhub.protocols.dlt645.frames import try_parse
from kwhub.protocols.dlt645.load_record import CLASSES, encode_record
from kwhub.protocols.dlt645.summary import identifier_in

__all__ = [
    "captures",
    "examples",
    "frames_645",
    "frames_1376",
    "load_records",
    "payloads_645",
    "streams_645",
    "streams_1376",
]

ROOT = Path(__file__).parents[2]
FOLDERS = (
    ROOT / "tests" / "vectors",
    Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors")),
)


def _lines(*names: str) -> list[dict[str, Any]]:
    paths = [folder / name for folder in FOLDERS for name in names]
    return [
        json.loads(line)
        for path in paths
        if path.exists()
        for line in path.read_text("utf-8").splitlines()
    ]


@cache
def frames_645() -> list[bytes]:
    return [bytes.fromhex(line["hex"]) for line in _lines("dlt645.jsonl", "dlt645_bad.jsonl")]


@cache
def frames_1376() -> list[bytes]:
    return [bytes.fromhex(line["hex"]) for line in _lines("gdw1376_1.jsonl")]


@cache
def streams_645() -> list[bytes]:
    """Several frames in a row."""
    return _rows(frames_645())


@cache
def streams_1376() -> list[bytes]:
    return _rows(frames_1376())


def _rows(frames: list[bytes]) -> list[bytes]:
    return [b"".join(frames[at : at + 1 + at % 4]) for at in range(len(frames))]


@cache
def payloads_645() -> list[bytes]:
    """Data fields that begin with an identifier, offset removed."""
    frames = [frame for raw in frames_645() if (frame := try_parse(raw)) is not None]
    return [frame.data for frame in frames if identifier_in(frame) is not None]


@cache
def load_records() -> list[bytes]:
    time = datetime(2026, 3, 1, 12, 15)
    single = [
        encode_record(time, {number: [Decimal(0)] * len(fields)})
        for number, fields in CLASSES.items()
    ]
    everything: dict[int, list[Decimal | None]] = {
        number: [None] * len(fields) for number, fields in CLASSES.items()
    }
    return [*single, encode_record(time, everything), b"".join(single[:3])]


@cache
def captures() -> list[bytes]:
    line = '{{"t": {0}.25, "at": "2026-03-02T00:00:12.250000Z", "dir": "{1}", "hex": "{2}"}}\n'
    frames = [raw.hex() for raw in frames_645()[:8]]
    return [
        "".join(
            line.format(number, "rx" if number % 2 else "tx", frame)
            for number, frame in enumerate(frames[:count])
        ).encode()
        for count in (1, 3, 8)
    ]


@cache
def examples(name: str) -> list[bytes]:
    return [(ROOT / "deploy" / "examples" / name).read_bytes()]
