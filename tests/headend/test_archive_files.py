"""Files: what is imported, what is refused and where, what is taken back, and what comes out again."""

import csv
import datetime as dt
import io
import json
import random

import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import select
from tests.headend.test_archive_dated import freezes, quarters, told
from tests.headend.test_archive_desk import at_desk, rows
from tests.headend.world import ADDRESSES, DAYS, batch, config, open_store

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, Register
from kwhub.headend.archive.export import archive_tables, history_table, kind_table, template
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.formats import Table, streamed
from kwhub.headend.archive.jobs import Imports, JobState
from kwhub.headend.archive.problems import PROBLEMS
from kwhub.headend.archive.readings import Asked, long_table, wide_table
from kwhub.headend.store import schema, schema_archive
from kwhub.runtime.clock import SystemClock

HEADER = "address,terminal,point,name\n"
THIRD = dt.date(2026, 3, 3)
ENERGY = Register("1-0:1.8.0")


def with_imports(address, script, *, settings=None):
    """Run script(imports, desk, store) with the imports at work."""

    async def main(desk, store):
        import asyncio

        imports = Imports(desk)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(imports.run())
            await script(imports, desk, store)
            running.cancel()

    at_desk(address, main, settings=settings)


async def submitted(imports, content: bytes | str, kind="meter", name="meters.csv"):
    content = content.encode() if isinstance(content, str) else content
    number = await imports.submit(content, kind=kind, file_name=name, by="ann")
    await imports.wait()
    return imports.job(number)


async def applied(imports, job):
    await imports.apply(job.id, "ann")
    await imports.wait()
    return imports.job(job.id)


def test_a_file_is_checked_applied_and_taken_back(address):
    async def script(imports, _desk, store):
        before = rows(store, schema.meter)
        text = HEADER + f"61,4101-02082,11,New\n{ADDRESSES[1]},4101-02082,2,Flat one\n"
        job = await submitted(imports, text)
        assert (job.state, job.rows, job.created, job.changed) == (JobState.READY, 2, 1, 1)
        assert rows(store, schema.meter) == before
        job = await applied(imports, job)
        assert (job.state, job.done, job.by) == (JobState.APPLIED, 2, "ann")
        assert store.archive.terminals["4101", 2082].points[11].address == "000000000061"
        assert rows(store, schema.meter)[1]["name"] == "Flat one"
        await imports.undo(job.id, "ann")
        await imports.wait()
        assert imports.job(job.id).state is JobState.UNDONE
        assert rows(store, schema.meter) == before
        assert 11 not in store.archive.terminals["4101", 2082].points
        actions = [each["action"] for each in rows(store, schema.audit)]
        assert actions == ["archive_import", "archive_undo"]

    with_imports(address, script)


def test_errors_say_row_column_what_and_what_to_do_and_nothing_is_written(address):
    async def script(imports, _desk, store):
        before = rows(store, schema.meter)
        text = HEADER + (
            "61,4101-02082,11,good\n"
            "62,4101-09999,12,no terminal\n"
            "\n"
            "63,4101-02082,x,no point\n"
            "64,4101-02082,2,taken\n"
            "61,4101-02082,14,twice\n"
        )
        job = await submitted(imports, text)
        assert (job.state, job.errors) == (JobState.REFUSED, 5)
        found = [(each.row, each.column, each.key) for each in imports.errors(job.id)]
        assert found == [
            (2, "address", "twice"),
            (3, "terminal", "unknown"),
            (5, "point", "wrong"),
            (6, "point", "place_taken"),
            (7, "address", "twice"),
        ]
        (first, *_) = imports.errors(job.id)
        assert "000000000061" in first.what()
        assert first.advice("zh") == PROBLEMS["twice"][3]
        assert rows(store, schema.meter) == before
        with pytest.raises(LocalError, match="refused"):
            await imports.apply(job.id, "ann")

    with_imports(address, script)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "empty"),
        (b"address,terminal,point\n", "empty"),
        (b"colour\nred\n", "unknown_column"),
        (b"terminal,point\n4101-02082,1\n", "no_key_column"),
        (b'address,name\n"1,2\n', "not_a_table"),
        (b"address\n\x00\xff\xff\x00\n", "not_a_table"),
        (b"PK\x03\x04 and nothing more", "not_a_table"),
        (b"address,address\n1,1\n", "twice"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, key):
    async def script(imports, _desk, _store):
        job = await submitted(imports, content)
        assert job.state is JobState.REFUSED
        assert key in [each.key for each in imports.errors(job.id)]

    with_imports(tmp_path / "s.sqlite", script)


def test_any_damage_of_a_workbook_is_an_error_of_the_file(tmp_path):
    book = Workbook()
    book.active.append(["address", "terminal", "point"])
    book.active.append(["61", "4101-02082", 11])
    file = io.BytesIO()
    book.save(file)
    chance = random.Random(6)

    async def script(imports, _desk, _store):
        for _ in range(25):
            damaged = bytearray(file.getvalue())
            for _ in range(4):
                damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
            job = await submitted(imports, bytes(damaged))
            assert job.state in {JobState.READY, JobState.REFUSED}

    with_imports(tmp_path / "s.sqlite", script)


def test_macros_are_refused(tmp_path):
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("xl/vbaProject.bin", b"macro")

    async def script(imports, _desk, _store):
        job = await submitted(imports, file.getvalue())
        assert [each.value for each in imports.errors(job.id)] == ["macros"]

    with_imports(tmp_path / "s.sqlite", script)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_names_in_the_encodings_of_the_field(tmp_path, encoding):
    async def script(imports, _desk, store):
        content = "code,name,name_zh\nB1,Willow,柳林路台区\n".encode(encoding)
        job = await applied(imports, await submitted(imports, content, "area"))
        assert job.state is JobState.APPLIED
        assert rows(store, schema.area)[-1]["name_zh"] == "柳林路台区"

    with_imports(tmp_path / "s.sqlite", script)


def test_two_meters_change_places_in_one_file(address):
    async def script(imports, _desk, store):
        text = f"address,point\n{ADDRESSES[1]},3\n{ADDRESSES[2]},2\n"
        job = await applied(imports, await submitted(imports, text))
        points = store.archive.terminals["4101", 2082].points
        assert (points[2].address, points[3].address) == (ADDRESSES[2], ADDRESSES[1])
        await imports.undo(job.id, "ann")
        await imports.wait()
        assert store.archive.terminals["4101", 2082].points[2].address == ADDRESSES[1]

    with_imports(address, script)


def test_an_import_on_which_data_depends_is_not_taken_back(address):
    async def script(imports, _desk, store):
        job = await submitted(imports, HEADER + "61,4101-02082,11,a\n62,4101-02082,12,b\n")
        await applied(imports, job)
        store.append([batch([(4, ENERGY, 900, 1_772_500_000, 1)])])
        for packed in ("journal", "day_vector"):
            await imports.undo(job.id, "ann")
            await imports.wait()
            assert imports.job(job.id).state is JobState.APPLIED
            values = [each.value for each in imports.errors(job.id)]
            assert any(packed in each and "000000000061" in each for each in values)
            store.pack()
        assert len(rows(store, schema.meter)) == 5

    with_imports(address, script)


def test_an_import_is_not_taken_back_over_a_later_change(tmp_path):
    async def script(imports, desk, store):
        job = await submitted(imports, f"address,name\n{ADDRESSES[1]},Flat one\n")
        await applied(imports, job)
        await desk.save("meter", {"name": "Corner"}, "bob", row_id=2)
        await imports.undo(job.id, "ann")
        await imports.wait()
        assert [each.key for each in imports.errors(job.id)] == ["changed_since"]
        assert rows(store, schema.meter)[1]["name"] == "Corner"

    with_imports(tmp_path / "s.sqlite", script)


def test_the_check_before_an_apply_counts_not_the_one_before(tmp_path):
    async def script(imports, desk, store):
        job = await submitted(imports, HEADER + "61,4101-02082,11,a\n")
        await desk.save("meter", {"address": "70", "terminal": "4101-02082", "point": "11"}, "bob")
        job = await applied(imports, job)
        assert job.state is JobState.READY
        assert [each.key for each in imports.errors(job.id)] == ["place_taken"]
        assert len(rows(store, schema.meter)) == 4

    with_imports(tmp_path / "s.sqlite", script)


def test_what_a_stop_interrupts_has_changed_nothing(tmp_path):
    async def script(imports, desk, store):
        job = await submitted(imports, HEADER + "61,4101-02082,11,a\n")
        with store.database.write() as connection:
            connection.execute(schema_archive.import_job.update().values(state=JobState.APPLYING))
        again = Imports(desk)
        job = again.job(job.id)
        assert job is not None
        assert job.state is JobState.READY
        assert "nothing was changed" in job.detail

    with_imports(tmp_path / "s.sqlite", script)


async def fill(desk) -> None:
    """One of everything, with texts that a spreadsheet would take for formulas."""
    await desk.save("organisation", {"code": "O1", "name": "=1+1"}, "ann")
    await desk.save("organisation", {"code": "O2", "name": "Low", "parent": "O1"}, "ann")
    await desk.save("area", {"code": "A1", "organisation": "O2", "rated_kva": "315"}, "ann")
    await desk.save("meter", {"address": ADDRESSES[1], "parent": ADDRESSES[0]}, "ann")
    await desk.save("customer", {"number": "C1", "name": "王芳", "phone": "+86 10"}, "ann")
    account = {"number": "K1", "customer": "C1", "meter": ADDRESSES[1], "from_day": "2026-01-01"}
    await desk.save("account", account, "ann")
    await desk.save("group", {"code": "G", "name": "g", "kind": "area", "area": "A1"}, "ann")


def content_of(store, form="xlsx") -> bytes:
    with store.database.read() as connection:
        return b"".join(streamed(archive_tables(connection), form))


def test_an_exported_archive_imported_elsewhere_is_the_same(address, tmp_path):
    async def script(imports, desk, store):
        await fill(desk)
        job = await submitted(imports, content_of(store), "", "archive.xlsx")
        assert (job.state, job.created, job.changed) == (JobState.READY, 0, 0)
        (tmp_path / "archive.xlsx").write_bytes(content_of(store))

    with_imports(address, script)
    other = str(tmp_path / "other.sqlite")

    async def elsewhere(imports, _desk, store):
        content = (tmp_path / "archive.xlsx").read_bytes()
        job = await applied(imports, await submitted(imports, content, "", "archive.xlsx"))
        assert (job.state, job.errors, job.created) == (JobState.APPLIED, 0, 10)
        again = load_workbook(io.BytesIO(content_of(store)))
        first = load_workbook(io.BytesIO(content))
        for sheet in first.sheetnames:
            assert list(again[sheet].values) == list(first[sheet].values)
        assert rows(store, schema_archive.organisation)[0]["name"] == "=1+1"

    with_imports(other, elsewhere, settings=config(other).__class__(headend=config(other).headend))


def test_texts_are_no_formulas_in_any_file(tmp_path):
    table = Table("x", ["a"], [["=1+1"], ["@x"], ["+1"], ["-1"], ["\tx"]])
    text = b"".join(streamed([table], "csv", bom=True)).decode()
    assert text.startswith("\ufeffa\r\n'=1+1\r\n'@x\r\n")
    table = Table("x", ["a"], [["=1+1"]])
    book = load_workbook(io.BytesIO(b"".join(streamed([table], "xlsx"))))
    assert (book["x"]["A2"].value, book["x"]["A2"].data_type) == ("'=1+1", "s")


@pytest.mark.parametrize("name", KINDS)
def test_templates_explain_themselves_and_have_no_rows(tmp_path, name):
    content = b"".join(streamed([template(KINDS[name])], "csv", bom=True))

    async def script(imports, _desk, _store):
        job = await submitted(imports, content, name)
        assert [each.key for each in imports.errors(job.id)] == ["empty"]

    with_imports(tmp_path / "s.sqlite", script)
    lines = content.decode("utf-8-sig").splitlines()
    dated = ["from_day"] if name in {"meter", "terminal"} else []
    assert lines[0].split(",") == [*(each.name for each in KINDS[name].fields), *dated]
    assert "required" in lines[2]


def test_history_is_exported_too(tmp_path):
    async def script(_imports, desk, store):
        await desk.exchange(2, told(ct="20"), "ann")
        with store.database.read() as connection:
            exchanges = list(history_table(connection, "exchange").rows)
            assert [each[2:7] for each in exchanges] == [
                ["000000000038", "000000000099", "1-0:1.8.0", "104.00", "7.00"]
            ]
            content = b"".join(streamed([history_table(connection, "placement")], "ndjson"))
            found = [json.loads(line) for line in content.splitlines()]
            assert [each["ratio"] for each in found] == ["1", "20"]
            assert found[0]["valid_to"] == found[1]["valid_from"] == "2026-03-03T02:05:00Z"
            content = b"".join(streamed([history_table(connection, "placement")], "parquet"))
            table = pq.read_table(io.BytesIO(content)).to_pylist()
            assert [each["ratio"] for each in table] == ["1", "20"]

    with_imports(tmp_path / "s.sqlite", script)


def test_only_the_own_areas_are_exported(tmp_path):
    async def script(_imports, desk, store):
        await fill(desk)
        with store.database.read() as connection:
            for name, kind in KINDS.items():
                assert list(kind_table(connection, kind, [99]).rows) == [], name
                if name != "customer" or rows(store, schema_archive.account):
                    assert list(kind_table(connection, kind, [1]).rows), name

    with_imports(tmp_path / "s.sqlite", script)


def read(store, table, form):
    with store.database.read() as connection:
        return b"".join(streamed([table(connection, DAYS)], form))


def test_readings_long_and_wide(address):
    store = open_store(address)
    curve = quarters(2, 0, 97, 100_000_000)
    del curve[5]
    store.append([batch([*curve, *freezes(2, (3, 100), (4, 110)), (3, ENERGY, 900, 1, 1)])])
    asked = Asked(THIRD, THIRD, CURVE_INTERVAL_S)
    store.pack()  # registers are known of what was packed
    content = read(store, lambda c, d: long_table(c, d, asked), "csv").decode()
    found = list(csv.DictReader(io.StringIO(content)))
    assert len(found) == 95
    assert found[0] == {
        "meter": ADDRESSES[1],
        "register": "1-0:1.8.0",
        "interval_start": "2026-03-02T16:00:00Z",
        "interval_end": "2026-03-02T16:15:00Z",
        "duration_s": "900",
        "value": "100.10",
        "unit": "kWh",
        "quality": "actual",
        "method": "",
        "source": "",
    }
    for label, names in (("end", ("00:15", "24:00")), ("start", ("00:00", "23:45"))):
        one = Asked(THIRD, THIRD, CURVE_INTERVAL_S, (ENERGY,), label=label)
        content = read(store, lambda c, d, one=one: wide_table(c, d, one), "csv").decode()
        (row,) = csv.DictReader(io.StringIO(content))
        assert len(row) == 4 + 96
        assert (row["day"], row[names[0]], row[names[1]]) == ("2026-03-03", "100.10", "109.60")
        assert list(row.values()).count("") == 1
    daily = Asked(THIRD, THIRD, DAY_INTERVAL_S, (ENERGY,))
    content = read(store, lambda c, d: long_table(c, d, daily), "parquet")
    (freeze,) = pq.read_table(io.BytesIO(content)).to_pylist()
    assert freeze["interval_start"] == DAYS.start(THIRD)
    assert freeze["value"] == 110
    assert pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0).compression == "ZSTD"
    store.close()


def test_long_exports_keep_little_in_memory(tmp_path, monkeypatch):
    """A whole export is never in memory: pieces come while rows are still being made."""
    made = []

    def many():
        for number in range(20_000):
            made.append(number)
            yield [str(number)]

    for form in ("csv", "ndjson", "parquet"):
        made.clear()
        pieces = streamed([Table("x", ["a"], many())], form)
        next(pieces)
        assert len(made) <= 2_000
        assert sum(map(len, pieces)) > 0


@pytest.mark.slow
def test_ten_thousand_meters_in_seconds(tmp_path):
    clock = SystemClock()
    lines = ["address,terminal,point,name"]
    terminals = ["terminal,area"]
    for number in range(10_000):
        terminal, point = divmod(number, 1_000)
        lines.append(f"{500_000_000_000 + number},4101-{terminal + 100:05},{point + 1},m{number}")
    terminals += [f"4101-{number + 100:05},A1" for number in range(10)]

    async def script(imports, _desk, store):
        await applied(imports, await submitted(imports, "\n".join(terminals), "terminal"))
        began = clock.monotonic()
        job = await applied(imports, await submitted(imports, "\n".join(lines)))
        taken = clock.monotonic() - began
        assert (job.state, job.created) == (JobState.APPLIED, 10_000)
        assert len(store.archive.meters) == 10_003
        assert taken < 60  # a hundred thousand in minutes

    with_imports(tmp_path / "s.sqlite", script)


def test_registers_of_the_journal_are_asked_by_name(tmp_path):
    store = open_store(tmp_path / "s.sqlite")
    store.append([batch(quarters(2, 0, 3, 1_000_000))])
    asked = Asked(THIRD, THIRD, CURVE_INTERVAL_S, (ENERGY,))
    content = read(store, lambda c, d: long_table(c, d, asked), "ndjson")
    assert len(content.splitlines()) == 2
    with store.database.read() as connection:
        assert connection.execute(select(schema.latest)).all() == []
    store.close()
