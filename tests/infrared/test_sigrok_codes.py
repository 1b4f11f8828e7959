"""An independent reader, sigrok, reads our pulse codes."""

import pytest
from tests.infrared.sigrok import RATE_HZ, as_receiver_sees, ask_sigrok, need_sigrok, write_sr

from kwhub.infrared.carrier import synthesize
from kwhub.infrared.codes import encode as encode_code

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _sigrok():
    need_sigrok()


@pytest.mark.parametrize(("address", "command"), [(0x40, 0x44), (0x00, 0xFF), (0xA5, 0x01)])
def test_sigrok_reads_our_nec_with_and_without_carrier(tmp_path, address, command):
    pulses = encode_code("nec", {"address": address, "command": command})
    file = tmp_path / "nec.sr"
    light = synthesize(pulses, RATE_HZ, lead_us=20_000, tail_us=50_000)
    expected = [
        f"Address: 0x{address:02X}",
        f"Address#: 0x{address ^ 0xFF:02X}",
        f"Command: 0x{command:02X}",
        f"Command#: 0x{command ^ 0xFF:02X}",
    ]
    wanted = ("addr", "addr-inv", "cmd", "cmd-inv", "warnings")
    write_sr(file, light, RATE_HZ)
    decoder = "ir_nec:ir=IR:polarity=active-high:cd_freq=38000"
    assert ask_sigrok(file, decoder, *wanted) == expected
    write_sr(file, as_receiver_sees(pulses), RATE_HZ)
    assert ask_sigrok(file, "ir_nec:ir=IR:polarity=active-low", *wanted) == expected


@pytest.mark.parametrize(("address", "command", "toggle"), [(5, 12, 1), (5, 1, 0), (0, 63, 1)])
def test_sigrok_reads_our_rc5(tmp_path, address, command, toggle):
    fields = {"address": address, "command": command, "toggle": toggle}
    file = tmp_path / "rc5.sr"
    write_sr(file, as_receiver_sees(encode_code("rc5", fields)), RATE_HZ)
    decoder, names = "ir_rc5:ir=IR", ("togglebit-0", "togglebit-1", "address", "command")
    said = [text.split(" (")[0] for text in ask_sigrok(file, decoder, *names)]
    assert said == [f"Togglebit: {toggle}", f"Address: {address}", f"Command: {command}"]
