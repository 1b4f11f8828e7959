"""DL/T 645 both ways over light: two real sessions, and samples of light between them."""

import numpy as np
import pytest

from kwhub.infrared.carrier import Scene, demodulate_iq, illuminate, synthesize
from kwhub.infrared.uart import bytes_to_pulses, decode
from kwhub.protocols.dlt645 import Asked, Data, ReadData, Role, Session
from kwhub.testing.pair import Pair

METER = "000000000038"
ENERGY = 0x00010000
VALUE = bytes.fromhex("38000000")
RATE_HZ = 500_000
DAYLIGHT = Scene(noise=0.4, dc=3.0, ripple=0.5)


class Air:
    """What is sent arrives as the light says, with sun and lamps in it."""

    def __init__(self, carrier_hz: float) -> None:
        self.carrier_hz = carrier_hz
        self.rng = np.random.default_rng(7)
        self.carried = 0

    def __call__(self, data: bytes) -> bytes:
        pulses = bytes_to_pulses(data, carrier_hz=self.carrier_hz)
        samples = synthesize(pulses, RATE_HZ, lead_us=5e3, tail_us=5e3)
        light = illuminate(samples, RATE_HZ, DAYLIGHT, self.rng)
        text = decode(demodulate_iq(light, RATE_HZ)[0], 1200)
        assert text.clean
        self.carried += len(text.data)
        return text.data


def answer(event):
    return [Data(METER, ENERGY, VALUE)] if isinstance(event, Asked) else None


@pytest.mark.slow
@pytest.mark.parametrize("carrier_hz", [37_000.0, 38_000.0, 39_000.0])
def test_a_meter_is_read_over_light(carrier_hz):
    there, back = Air(carrier_hz), Air(carrier_hz)
    pair = Pair(
        Session(Role.MASTER),
        Session(Role.METER, addresses={METER}),
        answer=answer,
        to_answerer=there,
        to_asker=back,
    )
    found = pair.ask(ReadData(METER, ENERGY))
    assert isinstance(found, Data)
    assert found.payload == VALUE
    assert there.carried >= 16
    assert back.carried >= 20
