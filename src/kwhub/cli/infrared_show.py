"""Decoded infrared frames as JSON and as lines for people."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kwhub.catalog.decoding import Decoded as DecodedFrame
from kwhub.catalog.decoding import decode as decode_frame
from kwhub.catalog.decoding import split
from kwhub.cli.output import EN, Language, print_table, say
from kwhub.infrared.codes import Decoded
from kwhub.infrared.formats import Train

__all__ = ["answer_json", "show_train", "spoken_bytes"]

UART = "UART_"
HEADINGS = {
    "en": ("code", "fields", "confidence", "bits", "carrier Hz"),
    "zh": ("编码", "字段", "可信度", "位数", "载波 Hz"),
}
NOT_DECODED = {"en": "not decoded", "zh": "无法解码"}


def spoken_bytes(answer: Decoded) -> Decoded:
    """A meter's bytes with what the frames in them say, where there are any."""
    if answer.protocol is None or not answer.protocol.startswith(UART):
        return answer
    raw = bytes.fromhex(answer.fields["bytes"])
    frames = [_frame(found) for found in map(decode_frame, split(raw)) if found.valid]
    return replace(answer, fields={**answer.fields, "frames": frames}) if frames else answer


def _frame(found: DecodedFrame) -> dict[str, Any]:
    values = [
        {
            "register": value.register,
            "identifier": value.identifier,
            "name": value.name,
            "name_zh": value.name_zh,
            "value": None if value.value is None else str(value.value),
            "unit": value.unit,
        }
        for value in found.values
    ]
    return {"protocol": found.protocol, "frame": found.frame, "values": values}


def answer_json(answer: Decoded) -> dict[str, Any]:
    """The shape that programs rely on."""
    found: dict[str, Any] = {
        "protocol": answer.protocol,
        "fields": dict(answer.fields),
        "confidence": answer.confidence,
        "carrier_hz": None if answer.carrier_hz is None else round(answer.carrier_hz, 1),
        "bits": answer.bits,
    }
    if answer.error is not None:
        found["error"] = {"kind": answer.error.kind, "detail": str(answer.error)}
    return found


def show_train(train: Train, answers: Sequence[Decoded], language: Language) -> None:
    """A table of the frames of one train, and the values that meters said."""
    if train.name:
        say(train.name)
    print_table(HEADINGS[language], [_row(answer, language) for answer in answers], right=(2, 3, 4))
    for answer in answers:
        for frame in answer.fields.get("frames", ()):
            for value in frame["values"]:
                name = value["name"] if language == EN else value["name_zh"]
                said = "-" if value["value"] is None else value["value"]
                say(f"= {name}: {said} {value['unit']}".rstrip())


def _row(answer: Decoded, language: Language) -> tuple[str, ...]:
    if answer.protocol is None:
        return (NOT_DECODED[language], str(answer.error), "", "", "")
    fields = " ".join(
        f"{name}={_plain(value)}"
        for name, value in answer.fields.items()
        if value is not None and name != "frames"
    )
    carrier = "" if answer.carrier_hz is None else f"{answer.carrier_hz:.0f}"
    return (answer.protocol, fields, f"{answer.confidence:.2f}", str(answer.bits), carrier)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or value > 0xFFFF:
        return str(value)
    return f"{value} ({value:#04x})"
