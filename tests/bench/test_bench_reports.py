"""Reports: complete, self-contained, readable as HTML and as PDF."""

import base64
import re
import zlib
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from tests.bench.bench_parts import measured

from kwhub.bench.device_model import DeviceModel, draw_device, with_fault
from kwhub.bench.limits import load_limits
from kwhub.bench.report import batch_html, device_html, statistics_of, write_report
from kwhub.bench.results import KEYS
from kwhub.bench.words import LABELS, NAMES, VERDICTS, bounds, number

pytestmark = pytest.mark.slow
LIMITS = load_limits()


def pages(paper: Path) -> int:
    """Pages of a PDF, also when its objects are packed."""
    data = paper.read_bytes()
    assert data.startswith(b"%PDF")
    texts = [data]
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        with suppress(zlib.error):
            texts.append(zlib.decompress(packed))
    return max(int(count) for text in texts for count in re.findall(rb"/Count (\d+)", text))


class Sources(HTMLParser):
    """Everything that a page would fetch, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]


@pytest.fixture(scope="module")
def good():
    return measured(DeviceModel())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_has_every_number_with_limit_verdict_and_origin(good, language):
    result, evidence = good
    page = device_html(result, evidence, LIMITS, language)
    zh = language == "zh"
    for one in result.measurements:
        assert NAMES[one.key][zh] in page
        assert number(one.value) in page
        assert bounds(one.limit) in page
        assert VERDICTS[one.verdict][zh] in page
    for identity in result.instruments.values():
        assert identity in page
    assert result.configuration in page
    assert result.software in page
    assert LABELS["simulated"][zh] in page
    assert LABELS["overall_pass"][zh] in page
    seen = Sources(page)
    assert len(seen.sources) == 6
    assert all(source.startswith("data:image/svg+xml;base64,") for source in seen.sources)
    assert "script" not in seen.tags
    assert "link" not in seen.tags
    for source in seen.sources:
        picture = base64.b64decode(source.partition(",")[2]).decode()
        assert picture.count("<path") > 10
        assert "http" not in re.sub(
            r"http://www.w3.org/\S+|http://purl.org/\S+|https?://matplotlib.org/?|http://creativecommons.org/\S+",
            "",
            picture,
        )


def test_a_device_without_an_answer_has_a_report_too():
    result, evidence = measured(with_fault(DeviceModel(), "mute"))
    page = device_html(result, evidence, LIMITS, "en")
    assert LABELS["overall_fail"][0] in page
    assert VERDICTS["missing"][0] in page


def test_names_from_outside_are_escaped(good):
    result, evidence = good
    nasty = msgspec.structs.replace(
        result, pallet="<script>alert(1)</script>", instruments={"stage": "<b>,m,1,1"}
    )
    page = device_html(nasty, evidence, LIMITS, "en")
    assert "<script" not in page
    assert "&lt;b&gt;,m,1,1" in page


def test_html_and_pdf_are_written_without_a_word(good, tmp_path, caplog):
    result, evidence = good
    page, paper = write_report(device_html(result, evidence, LIMITS, "zh"), tmp_path / "a.b")
    assert (page.name, paper.name) == ("a.b.html", "a.b.pdf")
    assert pages(paper) >= 2
    assert [each for each in caplog.records if each.name.startswith("weasyprint")] == []


def test_a_batch_is_summed_up(tmp_path):
    results = [
        msgspec.structs.replace(
            measured(draw_device(3, str(202600000000 + count), faulty=0.4), 3)[0],
            pallet=f"P{count % 2}",
        )
        for count in range(5)
    ]
    rows = {row.key: row for row in statistics_of(results)}
    assert list(rows) == [key for key in KEYS if key in rows]
    carriers = [
        one.value
        for result in results
        for one in result.measurements
        if one.key == "carrier" and one.value
    ]
    assert rows["carrier"].mean == pytest.approx(sum(carriers) / len(carriers))
    assert (rows["carrier"].least, rows["carrier"].most) == (min(carriers), max(carriers))
    page = batch_html(results, LIMITS, "en", linked=["202600000003"])
    failed = [result for result in results if result.verdict != "pass"]
    assert 0 < len(failed) < 5
    assert f"{20 * (5 - len(failed)):.1f} %" in page
    assert 'href="devices/202600000003.html"' in page
    assert "devices/202600000004.html" not in page
    drawn = [row for row in rows.values() if row.least < row.most or row.failed]
    assert len(Sources(page).sources) == len(drawn) + 1
    for result in results:
        assert result.serial in page
    assert pages(write_report(page, tmp_path / "r")[1]) >= 2


def test_a_batch_of_nothing_has_no_report():
    with pytest.raises(ValueError, match="needs results"):
        batch_html([], LIMITS, "en")


def test_words_are_there_in_both_languages():
    assert set(NAMES) == set(KEYS)
    for english, chinese in [*NAMES.values(), *VERDICTS.values(), *LABELS.values()]:
        assert english.strip()
        assert re.search(r"[\u4e00-\u9fff]", chinese)
