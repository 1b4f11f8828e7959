"""Performance of Bluetooth links: repeatable, worse where the radio is worse, judged by limits."""

import base64
import json
import re

import msgspec
import pytest

from kwhub.bench.bluetooth import measure, percentile
from kwhub.bench.bluetooth_limits_file import load_bluetooth_limits
from kwhub.bench.bluetooth_report import bluetooth_html
from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError

SMALL = msgspec.structs.replace(
    load_bluetooth_limits(), sizes=((1, 1),), distances_m=(1.0, 40.0), cycles=20
)


@pytest.fixture(scope="module")
def result():
    return measure(SMALL, 1)


def test_what_is_far_is_slower_and_nothing_is_lost(result):
    near, far = result.cells
    assert near.connected == far.connected == 1
    assert near.loss == far.loss == 0.0
    assert near.p50 == pytest.approx(60.0)  # two ways, an interval of 30 ms each
    assert far.rate < 0.7 * near.rate
    assert far.p95 > near.p95
    assert far.throughput < near.throughput
    assert 0 < near.reconnect < 10


def test_the_same_seed_gives_the_same_figures_and_another_gives_others(result):
    assert measure(SMALL, 1) == result
    assert measure(SMALL, 2).cells != result.cells


def test_interference_costs_time_and_the_interval_sets_the_pace():
    quiet = msgspec.structs.replace(SMALL, distances_m=(1.0,), interference=0.0)
    loud = msgspec.structs.replace(quiet, interference=0.5)
    quick = msgspec.structs.replace(quiet, interval_ms=7.5)
    rates = [measure(each, 1).cells[0].rate for each in (loud, quiet, quick)]
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] == pytest.approx(4 * rates[1], rel=0.05)


def test_limits_decide_and_a_slave_out_of_reach_fails(result):
    assert result.judged[0][0].verdict == "pass"
    strict = [msgspec.structs.replace(each, least=100.0, most=None) for each in SMALL.limit[:1]]
    hard = msgspec.structs.replace(SMALL, limit=tuple(strict), distances_m=(1.0,))
    found = measure(hard, 1)
    assert found.verdict == "fail"
    assert [one.verdict for one in found.judged[0] if one.limit] == ["fail"]
    away = measure(msgspec.structs.replace(SMALL, distances_m=(300.0,)), 1)
    assert away.cells[0].connected == 0
    assert away.verdict == "fail"


def test_percentiles_are_values_that_occurred():
    assert percentile([], 0.5) is None
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[limit]]\nmeasurement = "speed"\nleast = 1.0', "must be one of rate"),
        ('[[limit]]\nmeasurement = "rate"', "least, most or both"),
        ("cycles = 0", "cycles"),
    ],
)
def test_mistakes_in_a_limit_file_are_told(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    head = 'title = "a"\ntitle_zh = "b"\nsizes = [[1, 1]]\ndistances_m = [1.0]\n'
    path.write_text(head + ("limit = []\n" if "limit" not in text else "") + text)
    with pytest.raises(ConfigError, match=words):
        load_bluetooth_limits(str(path))


def test_limits_that_do_not_exist_are_told_with_those_that_do():
    with pytest.raises(ConfigError, match="there are courtyard"):
        load_bluetooth_limits("roof")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_has_table_and_pictures_and_nothing_from_outside(result, language):
    html = bluetooth_html(result, SMALL, language)
    assert html.count("data:image/svg+xml") == 4
    assert "http" not in html
    assert {"en": "readings/s and link", "zh": "每链路读数/秒"}[language] in html


def pictures(html):
    """The texts of each picture; letters are drawn as paths and named in remarks."""
    found = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    drawn = [base64.b64decode(each).decode() for each in found]
    return [set(re.findall(r"<!-- (.*?) -->", each)) for each in drawn]


@pytest.mark.slow
def test_with_one_distance_each_size_has_a_bar_or_says_that_there_is_nothing():
    sizes = msgspec.structs.replace(SMALL, sizes=((1, 1), (1, 2)), distances_m=(1.0,), cycles=5)
    near = pictures(bluetooth_html(measure(sizes, 1), sizes, "en"))
    assert all({"1 × 1", "1 × 2", "masters × slaves"} <= each for each in near)
    assert not any("distance, m" in each or "–" in each for each in near)
    far = msgspec.structs.replace(sizes, distances_m=(300.0,))
    rate, p95, throughput, back = pictures(bluetooth_html(measure(far, 1), far, "en"))
    assert "–" in p95
    assert "–" in back
    assert not {"–"} & (rate | throughput)


@pytest.mark.slow
def test_the_command_tells_figures_and_verdict_and_writes_the_report(capsys, tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(
        'title = "a"\ntitle_zh = "b"\nsizes = [[1, 1]]\ndistances_m = [1.0, 5.0]\ncycles = 5\n'
        '[[limit]]\nmeasurement = "rate"\nleast = 1.0\n'
    )
    path = tmp_path / "report"
    words = ["bench", "bluetooth", "--limits", str(file), "--distance", "2", "--json"]
    assert run([*words, "--report", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "pass"
    assert [cell["distance_m"] for cell in told["cells"]] == [2.0]
    assert [name.rpartition(".")[2] for name in told["files"]] == ["html", "pdf"]
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    file.write_text(file.read_text().replace("least = 1.0", "least = 1000.0"))
    assert run(["bench", "bluetooth", "--limits", str(file), "--language", "zh"]) == 1
    shown = capsys.readouterr().out
    assert "不合格" in shown
    assert "1 x 1" in shown


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (["least = 5.0\nmost = 4.0"], "is more than most"),
        (["least = 5.0", "least = 6.0"], "has a limit already"),
    ],
)
def test_limits_that_contradict_are_refused(tmp_path, rows, word):
    path = tmp_path / "own.toml"
    row = '[[limit]]\nmeasurement = "rate"\nsource = "s"\nsource_zh = "s"\nverified = true\n'
    head = 'title = "t"\ntitle_zh = "t"\nsizes = [[1, 1]]\ndistances_m = [1.0]\n'
    path.write_text(head + "".join(f"{row}{each}\n" for each in rows))
    with pytest.raises(ConfigError, match=word):
        load_bluetooth_limits(str(path))
