import math

import pytest

from kwhub.domain.errors import DecodeError
from kwhub.infrared.pulses import Pulses


def test_marks_and_spaces_take_turns():
    train = Pulses((9000.0, 4500.0, 560.0), carrier_hz=38_000, duty=0.33)
    assert train.marks == (9000.0, 560.0)
    assert train.spaces == (4500.0,)
    assert train.length_us == 14_060.0


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_duration_is_a_time_above_zero(bad):
    with pytest.raises(DecodeError, match="place 1"):
        Pulses((1.0, bad))


@pytest.mark.parametrize("bad", [{"carrier_hz": 1.0}, {"carrier_hz": math.nan}, {"duty": 1.0}])
def test_carrier_and_duty_have_bounds(bad):
    with pytest.raises(DecodeError):
        Pulses((1.0,), **bad)
