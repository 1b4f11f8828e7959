"""What exists is documented, and what is documented works."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tools.reference import NOTE, PAGES

from kwhub.cli.app import app, run
from kwhub.concentrator import config as concentrator_config
from kwhub.headend import config as headend_config
from kwhub.headend.app import HeadEnd
from kwhub.headend.web.app import create_app
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "deploy" / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_what_the_tables_say(name):
    assert (DOCS / "reference" / name).read_text() == NOTE + PAGES[name](), "run 'make docs'"


def commands():
    """Every command of the tree as the words that call it."""

    def walk(node, path):
        for name in node:
            if name.startswith("-"):
                continue
            child = node[name]
            grand = [each for each in child if not each.startswith("-")]
            if grand:
                yield from walk(child, [*path, name])
            else:
                yield [*path, name]

    return list(walk(app, []))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(words, capsys):
    assert run([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"kwhub {' '.join(words)}" in re.sub(r"\s+", " ", text)
    assert "--json" in text
    assert " ".join(words) in (DOCS / "reference" / "commands.md").read_text()


def test_every_page_is_documented(tmp_path):
    text = (DOCS / "reference" / "pages.md").read_text()
    settings = headend_config.Config(
        headend=headend_config.Service(store=str(tmp_path / "h.sqlite"), uplink="")
    )
    headend = HeadEnd(settings, SystemClock())
    try:
        paths = {re.sub(r":\w+\}", "}", route.path) for route in create_app(headend).routes}
    finally:
        headend.store.close()
    assert not sorted(
        path for path in paths if path not in text and not path.startswith(("/static", "/openapi/"))
    )


def test_the_architecture_page_has_every_folder_and_the_layers_that_are_checked():
    text = (DOCS / "explain" / "architecture.md").read_text()
    folders = {path.parent.name for path in (ROOT / "src" / "kwhub").glob("*/__init__.py")}
    assert not sorted(name for name in folders if f"| `{name}/" not in text)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    checked = [re.findall(r"\w+", layer) for layer in contracts["contracts"][0]["layers"]]
    (drawn,) = re.findall(r"```text\n(cli .*?)```", text, re.DOTALL)
    shown = [
        re.findall(r"\w+", line.replace("(independent of each other)", ""))
        for line in drawn.splitlines()
    ]
    there = [[name for name in layer if name in {*folders, "client"}] for layer in checked]
    assert shown == there


def test_examples_load_and_fit_the_tutorial():
    headend = headend_config.load(EXAMPLES / "headend.toml")
    concentrator = concentrator_config.load(EXAMPLES / "concentrator.toml")
    archive = {meter.address: meter for meter in headend.meters()}
    for bus in concentrator.bus:
        for meter in bus.meter:
            known = archive[meter.address]
            assert (known.point, known.port, known.phases) == (meter.point, bus.port, meter.phases)
    start = datetime(2026, 3, 1, 16, tzinfo=UTC)
    area = TransformerArea(1, start=start, meters=4, concentrators=1, buses=1)
    simulated = [place.meter.address for place in area.places if place.kind != "supply"]
    assert simulated == list(archive), "'kwhub meter simulate --count 3' makes other meters"


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_commands_in_the_documents_exist():
    known = {" ".join(words) for words in commands()}
    for path in [ROOT / "README.md", *DOCS.rglob("*.md"), *EXAMPLES.glob("*.toml")]:
        if path.name == "commands.md":
            continue
        for words in re.findall(
            r"^(?:# Run it: |)\s*(?:\.venv/bin/)?kwhub ([a-z]+(?: [a-z]+)?)",
            path.read_text(),
            re.MULTILINE,
        ):
            begun = any(f"{each} ".startswith(f"{words} ") for each in known)  # groups in groups
            assert begun or words.split()[0] in known, (path.name, words)


def test_the_glossary_is_sorted_and_bilingual():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "GLOSSARY.md").read_text().splitlines()
        if line.startswith("|")
    ][2:]
    assert all(len(row) == 4 and all(row) for row in rows)
    names = [row[0].lower() for row in rows]
    assert names == sorted(names)
    assert all(re.search(r"[一-鿿]", row[1]) for row in rows)
