"""Explaining: every byte of any bytes, once, in order, in both languages."""

from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.gdw1376.corpus1376 import named, own, raw_of

from kwhub.protocols.gdw1376.explain import explain
from kwhub.protocols.gdw1376.frames import parse
from kwhub.protocols.gdw1376.summary import summarise, values

FRAMES = [raw_of(line) for line in own()]


def covered(raw):
    explanation = explain(raw)
    at = 0
    for part in explanation.parts:
        assert part.start == at < part.stop
        at = part.stop
    assert at == len(raw)
    assert explanation.render("en") is not None
    assert explanation.render("zh") is not None
    return explanation


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(FRAMES),
            st.builds(lambda raw, keep: raw[:keep], st.sampled_from(FRAMES), st.integers(0, 80)),
        ),
        max_size=3,
    ).map(b"".join)
)
def test_every_byte_of_any_bytes_is_told_once(raw):
    assert sum(part.stop - part.start for part in covered(raw).parts) == len(raw)


@given(st.sampled_from(FRAMES), st.data())
def test_every_byte_of_a_changed_frame_is_told_once(raw, data):
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    parts = covered(bytes(changed)).parts
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]


WRONG_IN_MEANING = {"1376_1-024", "1376_1-090"}


def test_good_frames_are_all_right_and_bad_ones_are_marked():
    for line in own():
        explanation = covered(raw_of(line))
        wanted = line["valid"] and line["id"] not in WRONG_IN_MEANING
        assert explanation.ok == wanted, explanation.render()


def test_several_frames_in_a_row_and_noise_between_them():
    explanation = covered(named("001") + b"\x00\x01" + named("015"))
    assert [part.name for part in explanation.parts].count("AFN") == 2
    assert [part.start for part in explanation.parts if not part.ok] == [20]


def test_a_reading_is_told_with_its_unit_in_both_languages():
    explanation = explain(named("015"))
    assert "0.0100 kWh" in explanation.render()
    assert "F129 current forward active energy" in explanation.render()
    assert "无值" in explanation.render("zh")
    assert "正向有功电能示值（总）" in explanation.render("zh")


def test_the_settings_of_a_forwarding_are_told_in_words():
    text = explain(named("035")).render()
    assert "2400 bit/s, even parity, 8 data bits, 1 stop bit" in text
    assert "60 s" in text
    assert "100 ms" in text


def test_a_wrong_checksum_is_told_with_the_right_one():
    raw = bytearray(named("001"))
    raw[-2] ^= 0xFF
    (wrong,) = (part for part in explain(bytes(raw)).parts if not part.ok)
    assert wrong.meaning == "computed E4"


def test_a_wider_address_is_hinted_at():
    assert "with a terminal address of 4 bytes AFN would be 02" in explain(named("090")).render()


@given(st.sampled_from([raw for raw, line in zip(FRAMES, own(), strict=True) if line["valid"]]))
def test_summaries_and_values_never_fail(raw):
    frame = parse(raw)
    summary = summarise(frame)
    assert len(summary.units) == len(frame.units)
    for value in values(frame):
        assert value.name
        assert value.name_zh
