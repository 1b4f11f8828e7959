"""``kwhub read`` on simulated meters over real loopback TCP."""

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console
from tests.cli.live_meters import live_meters, meter, served

from kwhub.cli.app import run
from kwhub.cli.output import EN
from kwhub.cli.plot import plot
from kwhub.cli.read_rows import Row
from kwhub.cli.read_watch import Screen, parse_period
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.links.drive import attend
from kwhub.protocols.dlt645 import Data, Edition, Refused, Role, Session

ADDRESS = "000000000038"
QUICK = ("--timeout", "0.2", "--attempts", "1")


@pytest.fixture(scope="module")
def link():
    with live_meters(meter(ADDRESS, phases=3), meter("000000000097", Edition.E1997)) as address:
        yield address


def rows_of(capsys):
    return json.loads(capsys.readouterr().out)["registers"]


def test_registers_by_name(capsys, link):
    arguments = ["--register", "1.8.0", "--register", "voltage_l1", "--json"]
    assert run(["read", link, "--meter", "38", *arguments]) == 0
    energy, voltage = rows_of(capsys)
    assert (energy["register"], energy["unit"]) == ("1-0:1.8.0", "kWh")
    assert energy["alias"] == "energy_active_import_total"
    assert Decimal(energy["value"]) > 0
    assert 180 < Decimal(voltage["value"]) < 260
    assert energy["raw"]


def test_the_usual_registers_as_a_table(capsys, link):
    assert run(["read", link, "--meter", ADDRESS, "--language", "en"]) == 0
    out = capsys.readouterr().out
    assert "1-0:14.7.0" in out
    assert "Hz" in out


def test_a_block_brings_all_its_values(capsys, link):
    assert run(["read", link, "--meter", ADDRESS, "--block", "0001FF00", "--json"]) == 0
    rows = rows_of(capsys)
    assert [row["identifier"] for row in rows[:3]] == ["00010000", "00010100", "00010200"]
    total, *tariffs = [Decimal(row["value"]) for row in rows]
    assert abs(total - sum(tariffs)) <= Decimal("0.05")


def test_an_item_that_is_no_register(capsys, link):
    arguments = ["--block", "04-00-01-01", "--language", "zh"]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    assert "04000101" in capsys.readouterr().out


def test_what_the_meter_refuses_by_name_is_a_no(capsys, link):
    assert run(["read", link, "--meter", ADDRESS, "--block", "00900200", "--json"]) == 1
    (row,) = rows_of(capsys)
    assert row["value"] is None
    assert "refused" in row["error"]


@pytest.mark.slow
def test_everything(capsys, link):
    assert run(["read", link, "--meter", ADDRESS, "--all", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = answer["registers"]
    registers = {row["register"] for row in rows}
    assert {"1-0:1.8.0", "1-0:2.8.0", "1-0:52.7.0", "1-0:14.7.0"} <= registers
    identifiers = {row["identifier"] for row in rows}
    of_each_family = {
        "00010100",  # energy of a tariff
        "00010101",  # at a settlement day
        "01010000",  # demand
        "02010100",  # voltage
        "03110000",  # count of power cuts
        "04000103",  # parameter
        "04000501",  # status word
        "05060001",  # daily freeze
    }
    assert of_each_family <= identifiers
    assert not [row for row in rows if row["error"]]
    assert len(rows) > 1000
    assert answer["absent"]
    assert {row["identifier"] for row in answer["absent"]}.isdisjoint(identifiers)
    line = answer["line"]
    assert line["answers"] == line["requests"] > 500
    assert line["retries"] == 0
    assert line["answer_timeout_s"] < 2


def test_everything_of_an_old_meter(capsys, link):
    arguments = ["--all", "--protocol", "dlt645-1997", "--json"]
    assert run(["read", link, "--meter", "97", *arguments]) == 0
    assert {"1-0:1.8.0", "1-0:32.7.0"} <= {row["register"] for row in rows_of(capsys)}


def test_a_chapter_alone(capsys, link):
    arguments = ["--chapter", "freezes", "--chapter", "load"]
    assert run(["read", link, "--meter", ADDRESS, *arguments, "--json"]) == 0
    rows = rows_of(capsys)
    assert {row["identifier"][:2] for row in rows} == {"05", "06"}


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("not there (", "answers in ")), ("zh", ("该表没有（", "应答 "))],
)
def test_what_is_not_there_is_listed(capsys, link, language, words):
    arguments = ["--chapter", "freezes", "--language", language]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    out = capsys.readouterr().out
    assert "0503FF01" in out
    for word in words:
        assert word in out


def test_everything_in_csv_has_what_is_not_there_too(capsys, link):
    arguments = ["--chapter", "load", "--chapter", "freezes", "--csv"]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row for row in rows if row["value"]]
    assert [row for row in rows if "no such data" in row["error"]]


def test_the_line_is_told(capsys, link):
    assert run(["read", link, "--meter", ADDRESS, "--register", "1.8.0", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["line"]
    assert line["requests"] == line["answers"] == 1
    assert 0 < line["answer_time_s"] < line["answer_timeout_s"]
    assert (line["retries"], line["discarded"]) == (0, 0)


def test_a_makers_ways(capsys, link):
    arguments = ["--register", "1.8.0", "--quirk", "wake-up-before-answers"]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    capsys.readouterr()


def test_a_meter_that_refuses_blocks_is_read_one_by_one(capsys):
    known = {0x0001_0000: "78563412", 0x0001_0100: "00000000"}

    def answer(event):
        request = getattr(event, "request", None)
        if request is None:
            return []
        payload = known.get(request.identifier)
        return [
            Refused(ADDRESS, 2)
            if payload is None
            else Data(ADDRESS, request.identifier, bytes.fromhex(payload))
        ]

    async def meters(link, clock):
        await attend(link, Session(Role.METER, addresses={ADDRESS}), clock, answer)

    with served(meters) as link:
        assert run(["read", link, "--meter", ADDRESS, "--all", "--json"]) == 0
    assert [(row["identifier"], row["value"]) for row in rows_of(capsys)] == [
        ("00010000", "123456.78"),
        ("00010100", "0.00"),
    ]


@pytest.mark.slow
def test_a_silent_meter_is_soon_given_up(capsys, link):
    assert run(["read", link, "--meter", "99", "--all", *QUICK]) == 3
    captured = capsys.readouterr()
    assert "000000000099 is silent" in captured.err
    assert captured.out == ""


def test_csv_has_a_line_for_each_value_and_times_of_rfc_3339(capsys, link):
    arguments = ["--block", "0001FF00", "--register", "14.7.0", "--csv", "--language", "en"]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["register"] == "1-0:14.7.0"
    assert rows[0]["unit"] == "Hz"
    assert {row["meter"] for row in rows} == {ADDRESS}
    assert all(row["time"].endswith("Z") and datetime.fromisoformat(row["time"]) for row in rows)
    assert len(rows) >= 6


def test_watching_in_csv_has_one_heading(capsys, link):
    arguments = ["--register", "14.7.0", "--csv", "--watch", "100ms", "--count", "2"]
    assert run(["read", link, "--meter", ADDRESS, *arguments]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 2


def test_watching_in_json_and_in_words(capsys, link):
    arguments = ["--register", "14.7.0", "--watch", "0.1", "--count", "2"]
    assert run(["read", link, "--meter", ADDRESS, *arguments, "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert run(["read", link, "--meter", ADDRESS, *arguments, "--language", "en"]) == 0
    assert capsys.readouterr().out.count("1-0:14.7.0") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "--register", "1.8.0"],
        ["--chapter", "energy", "--register", "1.8.0"],
        ["--chapter", "weather"],
        ["--quirk", "no-such-quirk"],
        ["--csv", "--json"],
        ["--count", "3"],
        ["--watch", "soon"],
        ["--watch", "1ms"],
        ["--block", "0001"],
        ["--block", "0F0F0F0F"],
        ["--block", "9010FF"],
        ["--register", "no-such-register"],
        ["--protocol", "dlms"],
        ["--meter", "meter"],
    ],
)
def test_wrong_options_are_told_before_anything_is_opened(capsys, arguments):
    assert run(["read", "tcp:127.0.0.1:1", *arguments]) == 2
    assert capsys.readouterr().err.startswith("kwhub: ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("2 min", 120), ("1h", 3600), ("7", 7)]
)
def test_periods(text, seconds):
    assert parse_period(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 days", "0", "2000000"])
def test_what_is_no_period(text):
    with pytest.raises(LocalError):
        parse_period(text)


def test_a_plot_has_one_dot_for_the_lowest_and_all_for_the_highest():
    assert plot([1, 2, 3, 4], width=2) == ["⣠⣾"]
    assert plot([], width=3) == ["⠀⠀⠀"]
    assert plot([5, 5, None, 5], width=2) == ["⣀⢀"]
    top, bottom = plot([0, 7], width=1, height=2)
    assert (top, bottom) == ("⢸", "⣸")
    assert plot(list(range(100)), width=1) == ["⣸"]


def row(number, value):
    at = datetime.fromisoformat("2026-03-01T00:00:00+00:00") + timedelta(seconds=number)
    return Row(at, Register("1-0:14.7.0"), "frequency", "频率", value, "Hz", "02800002")


def test_the_screen_shows_value_extremes_and_plot():
    screen = Screen(ADDRESS, EN)
    for number, value in enumerate((Decimal("49.98"), None, Decimal("50.02"))):
        screen.take([row(number, value)])
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(screen.picture())
    text = captured.get()
    for word in (ADDRESS, "2026-03-01T00:00:02Z", "50.02", "49.98", "Hz", "⢸"):
        assert word in text


@pytest.mark.parametrize(("width", "least", "most"), [(60, 20, 25), (100, 60, 65), (400, 80, 80)])
def test_the_plot_takes_what_the_other_columns_leave(monkeypatch, width, least, most):
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen(ADDRESS, EN)
    for number in range(300):
        screen.take([row(number, Decimal(number))], "the line")
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(screen.picture())
    lines = captured.get().splitlines()
    assert "…" not in captured.get()
    assert max(len(line.rstrip()) for line in lines) <= width
    drawn = max(sum("\u2800" < letter <= "\u28ff" for letter in line) for line in lines)
    assert least <= drawn <= most
    assert "the line" in lines[1]
