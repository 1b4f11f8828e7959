"""Every table of every page can be had as a file, with what stands on the page in it."""

import csv
import io
import re
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from tests.headend.full_world import PAGES, everything

from kwhub.headend.web.sheets import sheet
from kwhub.headend.web.table_files import rows_of


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = everything(tmp_path_factory.mktemp("exports") / "headend.sqlite")
    yield made
    made.store.close()


ZONE = ZoneInfo("Asia/Shanghai")
TABLE = re.compile(r"<table\b([^>]*)>.*?</table>(.*?)(?=<table\b|</main>)", re.DOTALL)
LINK = re.compile(r'href="([^"]*(?:\.csv|as=csv|format=csv)[^"]*)"')
INSIDE = 'class="small parts"'
"""What a frame decodes into: part of the frame, which the support bundle of its terminal holds."""


def rows(reader, href):
    answer = reader.get(href.replace("&amp;", "&"))
    assert answer.status_code == 200, href
    assert answer.headers["content-type"].startswith("text/csv"), href
    return list(csv.reader(io.StringIO(answer.text)))


@pytest.mark.slow
def test_every_table_of_every_page_has_a_file(english):
    lacking, seen = [], 0
    for path in PAGES:
        page = english.get(path)
        assert page.status_code == 200, path
        for attributes, behind in TABLE.findall(page.text):
            if INSIDE in attributes:
                continue
            seen += 1
            link = LINK.search(behind)
            if link is None:
                lacking.append(f"{path}: <table{attributes}>")
                continue
            lines = rows(english, link[1])
            assert len(lines) > 1, f"{path}: {link[1]} is empty"
            assert {len(line) for line in lines} == {len(lines[0])}, f"{path}: {link[1]}"
    assert not lacking, "\n".join(lacking)
    assert seen >= 45


def test_the_file_of_a_table_has_plain_numbers_and_times(english):
    page = english.get("/meters/3").text
    (link,) = {each for each in LINK.findall(page) if each.endswith("table=latest&amp;as=csv")}
    latest = rows(english, link)
    assert latest[0][:4] == ["Register", "OBIS", "Value", "Unit"]
    (energy,) = [line for line in latest if line[1] == "1-0:1.8.0" and line[6] == "15 min"]
    assert energy[2:5] == ["1246.10", "kWh", "2026-03-04T12:30:00+08:00"]
    bom = english.get(f"{link.replace('&amp;', '&')}&bom=1").text
    assert bom.startswith("\ufeffRegister")
    xlsx = english.get(link.replace("&amp;", "&").replace("as=csv", "as=xlsx"))
    sheet = load_workbook(io.BytesIO(xlsx.content)).active
    assert sheet is not None
    values = [row for row in sheet.values if row[1] == "1-0:1.8.0"]
    assert 1246.1 in {row[2] for row in values}  # 242 quarter hours of 0.05 kWh after 1234 kWh


def test_a_table_that_is_not_there_is_the_page(english):
    answer = english.get("/meters/3?table=nothing&as=csv")
    assert answer.headers["content-type"].startswith("text/html")
    assert english.get("/meters/99?table=latest&as=csv").status_code == 404


def test_what_is_only_a_picture_or_a_button_is_not_in_the_file():
    html = """<table data-table="a"><tr><th>Name</th><th class="n">kWh</th></tr>
    <tr><td><span aria-hidden="true">●</span> on <form><button>Do</button></form></td><td class="n">—</td></tr>
    <tr><td><span class="sr">told</span></td><td class="n">-1,234.50</td></tr></table>"""
    found = rows_of(html, "a", ZONE)
    assert found == [["Name", "kWh"], ["on", ""], ["told", "-1234.50"]]
    assert rows_of(html, "b", ZONE) is None


def test_a_negative_number_is_a_number_and_a_formula_is_a_text():
    html = """<table data-table="a"><tr><th>Name</th><th class="n">Sum</th></tr>
    <tr><td>=1+1</td><td class="n">-1,234.50</td></tr><tr><td>-2+cmd|x</td><td class="n">−12</td></tr>
    <tr><td>@sum</td><td class="n">-0.5</td></tr><tr><td>+8613</td><td class="n">-</td></tr></table>"""
    found = rows_of(html, "a", ZONE)
    assert found is not None
    assert sheet("a.csv", found[0], found[1:]).content.splitlines() == [
        "Name,Sum",
        "'=1+1,-1234.50",
        "'-2+cmd|x,-12",
        "'@sum,-0.5",
        "'+8613,'-",
    ]
