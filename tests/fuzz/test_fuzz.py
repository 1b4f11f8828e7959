"""A short run of the fuzz harness for each decoder; ``python -m tests.fuzz`` runs as long as you like."""

import pytest
from tests.fuzz import corpus
from tests.fuzz.__main__ import main
from tests.fuzz.decoders import TARGETS
from tests.fuzz.harness import Finding, case, count_steps, run
from tests.fuzz.mutate import randomness

CASES = 120


@pytest.mark.parametrize("decoder", TARGETS)
def test_any_input_gives_frames_or_reasons_and_nothing_else(decoder):
    outcomes = run(decoder, 1, range(CASES))
    assert outcomes.total() == CASES
    assert len(outcomes) > 1, (
        "all cases have the same outcome: the damage does not reach the decoder"
    )


@pytest.mark.parametrize("decoder", TARGETS)
def test_a_seed_makes_the_same_cases_everywhere(decoder):
    assert [case(decoder, 7, number) for number in range(5)] == [
        case(decoder, 7, number) for number in range(5)
    ]
    assert case(decoder, 7, 0) != case(decoder, 8, 0) or case(decoder, 7, 1) != case(decoder, 8, 1)


@pytest.mark.parametrize(
    ("decoder", "members"),
    [
        ("dlt645-parse", corpus.frames_645),
        pytest.param("dlt645-receiver", corpus.frames_645, marks=pytest.mark.slow),
        pytest.param("dlt645-explain", corpus.frames_645, marks=pytest.mark.slow),
        ("dlt645-load-record", corpus.load_records),
        pytest.param("gdw1376-receiver", corpus.frames_1376, marks=pytest.mark.slow),
        pytest.param("gdw1376-explain", corpus.frames_1376, marks=pytest.mark.slow),
        ("capture", corpus.captures),
    ],
)
def test_the_work_grows_with_the_input_and_no_faster(decoder, members):
    """Counted in lines of Python, for the plainest member of the corpus and for the worst bytes."""
    target = TARGETS[decoder]

    def steps(pattern, size):
        data = pattern * (size // len(pattern))
        return count_steps(lambda: target.run(data, randomness(decoder, 0, size)))

    for pattern in (members()[0], members()[0][:-1], b"\x68", b"\xfe", b"\x68\x16", b"[", b"\n"):
        steps(pattern, len(pattern) * 2)  # tables that are made once are not counted
        little, much = steps(pattern, 1_000), steps(pattern, 4_000)
        assert much <= 4.6 * little + 2_000, pattern


def test_a_finding_says_how_to_see_it_again(monkeypatch, capsys):
    def broken(_data, _random):
        raise ZeroDivisionError

    monkeypatch.setitem(
        TARGETS, "dlt645-parse", TARGETS["dlt645-parse"].__class__(broken, corpus.frames_645)
    )
    with pytest.raises(Finding, match=r"python -m tests.fuzz dlt645-parse --seed 3 --case 0"):
        run("dlt645-parse", 3, range(1))
    assert main(["dlt645-parse", "--seconds", "1", "--seed", "3"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_command_line(capsys):
    assert main(["dlt645-parse", "gdw1376-parse", "--seconds", "0.02"]) == 0
    assert capsys.readouterr().out.count("cases") == 2
    with pytest.raises(SystemExit):
        main(["nothing"])
