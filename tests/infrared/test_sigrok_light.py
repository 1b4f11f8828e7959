"""An independent reader, sigrok, says what our light means and which carrier it has."""

import numpy as np
import pytest
from tests.infrared.sigrok import RATE_HZ, as_receiver_sees, ask_sigrok, need_sigrok, write_sr

from kwhub.infrared.carrier import demodulate_edges, synthesize
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import Line, encode

pytestmark = pytest.mark.slow

FINE_RATE_HZ = 20_000_000
REQUEST = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
PARITIES = {"none": "none", "even": "even", "odd": "odd", "mark": "one", "space": "zero"}
WRONG = ("rx-parity-err", "rx-warnings", "rx-break")


@pytest.fixture(autouse=True)
def _sigrok():
    need_sigrok()


@pytest.mark.parametrize(
    ("line", "carrier_hz", "duty"),
    [
        (Line(1200), 38_000, 1 / 3),
        (Line(300, "odd"), 36_000, 0.25),
        (Line(600, "mark", 7), 40_000, 0.3),
        (Line(2400, "space", 8, 2), 37_000, 0.5),
        (Line(4800, "none", 8), 39_000, 1 / 3),
        (Line(1200, "even", 7), 56_000, 0.4),
    ],
)
def test_sigrok_reads_our_bytes(tmp_path, line, carrier_hz, duty):
    data = bytes(value & ((1 << line.data_bits) - 1) for value in REQUEST)
    file = tmp_path / "light.sr"
    pulses = encode(data, line, carrier_hz=carrier_hz, duty=duty)
    write_sr(file, as_receiver_sees(pulses), RATE_HZ)
    decoder = (
        f"uart:rx=IR:baudrate={line.baud}:parity={PARITIES[line.parity]}"
        f":data_bits={line.data_bits}:stop_bits=1.0"
    )
    assert bytes.fromhex("".join(ask_sigrok(file, decoder, "rx-data"))) == data
    assert ask_sigrok(file, decoder, *WRONG) == []


def test_sigrok_finds_the_wrong_parity_that_we_send(tmp_path):
    file = tmp_path / "light.sr"
    write_sr(file, as_receiver_sees(encode(b"\x68\x16", Line(parity="odd"))), RATE_HZ)
    errors = ask_sigrok(file, "uart:rx=IR:baudrate=1200:parity=even", "rx-parity-err")
    assert len(errors) == 2


@pytest.mark.parametrize(
    ("carrier_hz", "duty"), [(38_000, 1 / 3), (37_200, 0.25), (38_900, 0.5), (56_000, 0.4)]
)
def test_sigrok_measures_the_carrier_that_we_set(tmp_path, carrier_hz, duty):
    file = tmp_path / "carrier.sr"
    burst = Pulses((20_000.0,), carrier_hz, duty)
    light = synthesize(burst, FINE_RATE_HZ, lead_us=500, tail_us=500)
    write_sr(file, light, FINE_RATE_HZ)
    decoder = "pwm:data=IR:polarity=active-high"
    whole = slice(1, -2)
    duties = [float(text.rstrip("%")) for text in ask_sigrok(file, decoder, "duty-cycle")]
    periods = [float(text.split()[0]) for text in ask_sigrok(file, decoder, "period")]
    _, facts = demodulate_edges(light, FINE_RATE_HZ)
    assert len(periods) > 700
    assert 1e6 / np.mean(periods[whole]) == pytest.approx(carrier_hz, rel=4e-3)
    assert 1e6 / np.mean(periods[whole]) == pytest.approx(facts.frequency_hz, rel=4e-3)
    assert np.mean(duties[whole]) == pytest.approx(100 * duty, abs=0.1)
    assert np.mean(duties[whole]) == pytest.approx(100 * facts.duty, abs=0.1)


def test_a_wrong_name_of_an_annotation_does_not_pass(tmp_path):
    file = tmp_path / "light.sr"
    write_sr(file, as_receiver_sees(encode(b"\x68")), RATE_HZ)
    with pytest.raises(AssertionError):
        ask_sigrok(file, "uart:rx=IR:baudrate=1200", "rx-warning")
