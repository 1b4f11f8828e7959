"""Batches: lists, durable results, going on after a kill."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest
from tests.bench.bench_parts import NOON, configured

from kwhub.bench.batch import Job, Store, parse_jobs, read_jobs, run_batch
from kwhub.bench.evidence import Evidence
from kwhub.bench.limits import DEFAULT, known_limits, load_limits
from kwhub.bench.results import Limit, MeterResult, judge
from kwhub.domain.errors import ConfigError, LocalError


def test_a_list_or_a_table_names_the_devices(tmp_path):
    assert parse_jobs("# pallet 7\n1001\n\n1002\n") == [Job("1001"), Job("1002")]
    table = "no,pallet,Serial\n1,P7,1001\n2,P8,1002\n"
    assert parse_jobs(table) == [Job("1001", "P7"), Job("1002", "P8")]
    path = tmp_path / "meters.csv"
    path.write_text("\ufeff表号,托盘\n1001,甲\n", encoding="utf-8")
    assert read_jobs(path) == [Job("1001", "甲")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no meter"),
        ("1001\n1001\n", "listed twice"),
        ("../etc\n", "no serial number"),
        ("a,b\n1,2\n", "column 'serial'"),
        ("serial\n", "1 to"),
        ("serial,pallet\n,P1\n", "no serial number"),
    ],
)
def test_mistakes_in_the_list_are_told(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_jobs(text, "meters.csv")


def test_a_list_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes("表号\n1".encode("gbk"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_jobs(path)


def record(job):
    return MeterResult(
        job.serial, job.pallet, "pass", (), NOON, NOON, {}, "l", "c", "s", simulated=True
    )


def test_what_is_there_is_not_measured_again(tmp_path):
    jobs = [Job(str(number)) for number in range(5)]
    asked, told = [], []

    async def examine(job):
        asked.append(job.serial)
        if len(asked) == 3:
            raise LocalError("the lamp went out")
        return record(job), Evidence()

    def progress(job, result, fresh):
        told.append((job.serial, fresh))

    store = Store(tmp_path)
    store.claim(configured())
    with pytest.raises(LocalError):
        asyncio.run(run_batch(jobs, store, examine, progress))
    assert len(store.results(jobs)) == 2
    results = asyncio.run(run_batch(jobs, store, examine, progress))
    assert asked == ["0", "1", "2", "2", "3", "4"]
    assert told[2:] == [("0", False), ("1", False), ("2", True), ("3", True), ("4", True)]
    assert [one.serial for one in results] == list("01234")


def test_a_folder_belongs_to_one_configuration(tmp_path):
    Store(tmp_path).claim(configured(seed=1))
    Store(tmp_path).claim(configured(seed=1))
    with pytest.raises(LocalError, match="another configuration"):
        Store(tmp_path).claim(configured(seed=2))
    limits = load_limits()
    other = msgspec.structs.replace(limits, limit=limits.limit[1:])
    with pytest.raises(LocalError, match="another configuration"):
        Store(tmp_path).claim(configured(limits=other))


def test_a_damaged_result_is_told(tmp_path):
    store = Store(tmp_path)
    store.claim(configured())
    (tmp_path / "results" / "1.json").write_text("{")
    with pytest.raises(LocalError, match="delete it"):
        store.done("1")


START = "import sys; from kwhub.cli.app import run; sys.exit(run(sys.argv[1:]))"
COMMAND = [sys.executable, "-c", START, "bench", "infrared", "--simulate", "--json"]


@pytest.mark.slow
def test_a_killed_batch_goes_on_and_measures_nothing_twice(tmp_path):
    serials = [str(202600000000 + number) for number in range(6)]
    (tmp_path / "list.txt").write_text("\n".join(serials))
    folder = tmp_path / "run"
    words = [*COMMAND, "--batch", str(tmp_path / "list.txt"), "--report", str(folder)]
    words += ["--device-reports", "none", "--faulty", "0.6"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline()) for _ in range(2)]
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in (folder / "results").glob("*.json")
    }
    assert {f"{row['serial']}.json" for row in first} <= set(kept)
    assert len(kept) < len(serials)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert [row["serial"] for row in rows[:-1]] == serials
    assert {f"{row['serial']}.json" for row in rows[:-1] if not row["new"]} == set(kept)
    for name, (written, data) in kept.items():
        path = folder / "results" / name
        assert (path.stat().st_mtime_ns, path.read_bytes()) == (written, data)
    assert rows[-1]["devices"] == 6
    assert rows[-1]["passed"] == sum(row["verdict"] == "pass" for row in rows[:-1]) < 6


@pytest.mark.parametrize("name", known_limits())
def test_limits_of_the_package_have_a_source_each(name):
    limits = load_limits(name)
    assert limits.name == name
    for one in limits.limit:
        assert one.source
        assert one.source_zh
        assert not one.verified  # no text of a standard was at hand


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[limit]]\nmeasurement = "colour"\nmost = 1.0\n', "must be one of carrier"),
        ('[[limit]]\nmeasurement = "duty"\n', "needs least, most"),
        ('[[limit]]\nmeasurement = "duty"\nleast = 2.0\nmost = 1.0\n', "more than most"),
        ('[[limit]]\nmeasurement = "duty"\nmost = 1.0\n' * 2, "already"),
        ("limit = []\n[setup]\nsunlight_lux = [2.0, 1.0]\n", "rise"),
        ("limit = []\n[setup]\ntries = 0\n", "tries"),
    ],
)
def test_mistakes_in_limits_are_told_with_line(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text('title = "a"\ntitle_zh = "b"\n' + text)
    with pytest.raises(ConfigError, match=said):
        load_limits(str(path))


def test_unknown_limits_name_the_known_ones():
    with pytest.raises(ConfigError, match=DEFAULT):
        load_limits("meter-1200nm")


def test_bounds_belong_to_what_is_allowed():
    limit = Limit(20.0, 500.0)
    assert judge(20.0, 0.1, limit) == ("pass", True)
    assert judge(19.99, 0.001, limit) == ("fail", False)
    assert judge(100.0, 1.0, limit) == ("pass", False)
    assert judge(None, None, limit) == ("missing", False)
    assert judge(1.0, None, None) == ("info", False)
