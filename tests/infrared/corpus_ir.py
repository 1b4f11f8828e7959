"""The shared infrared vectors, and the words of their oracles that are known to be wrong."""

import json
import os
from pathlib import Path

import pytest

VECTORS = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors")) / "ir"

WRONG_WORDS = (
    # oracle, where, what it says, why it is wrong
    ("sigrok_0_5_3", "unknown_ceiling_light.sr", "address error", "knows no address of two bytes"),
    ("irremoteesp8266", "repeat_frame", "command 0x0", "a repeat frame has no command"),
    ("irremoteesp8266", "RC6", "address 0x104", "counts the toggle into the address"),
    ("irremoteesp8266", "kathrein_rc674", "address 0xc804680", "mode and data in the address"),
    ("irmp", "kathrein_rc674", "address 0x46", "drops the high byte of the customer code"),
    ("irmp", "tv_matsui_0001", "address 0xbf40", "counts the inverse into the address"),
    ("irmp", "sirc-2.sr", "command 0x2d01", "counts part of the extension into the command"),
    ("irremoteesp8266", "ru-m111", "MITSUBISHI2", "IRMP says NEC16; not one of our codes"),
    ("irremoteesp8266", "Poseidon_M20", "command 0x0", "32 bits whose inverse does not fit"),
    ("sigrok_0_5_3", "Joy-IT", "address 0x80, command 0x53", "tolerates 5 % only"),
)


def vectors(name):
    """The lines of one file of the collection."""
    path = VECTORS / f"{name}.jsonl"
    if not path.is_file():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return [json.loads(line) for line in path.read_text().splitlines()]
