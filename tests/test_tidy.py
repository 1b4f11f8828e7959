"""Checks of the code itself that no linter has."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "kwhub"
FILES = sorted(SOURCE.rglob("*.py"))
LINES_PER_FILE = 400
LINES_PER_FUNCTION = 50
CONTRACTS_FILE = ROOT / "pyproject.toml"


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[Path]:
    """Every file that git tracks and that is there; none outside a checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: the list of tracked files is unknown")
    return [
        ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()
    ]


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_file_fits_in_the_head(path):
    assert len(path.read_text().splitlines()) <= LINES_PER_FILE


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_functions_fit_on_a_screen(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= LINES_PER_FUNCTION, f"{node.name}: {length} lines"


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_exports_are_listed(path):
    tree = ast.parse(path.read_text())
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    ]
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    }
    if defined and "migrations" not in path.parts:
        assert listed, "no __all__"
        assert defined <= set(listed[0])


PROTOCOL_FILES = [
    path for path in FILES if "protocols" in path.parts and path.name != "__init__.py"
]


@pytest.mark.parametrize("path", PROTOCOL_FILES, ids=_id)
def test_protocol_modules_name_their_source(path):
    assert re.search(
        r"^Source: ", ast.get_docstring(ast.parse(path.read_text())) or "", re.MULTILINE
    )


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_nothing_is_left_open(path):
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX:|HACK)\b", text)
    assert "NotImplementedError" not in text


def test_no_file_names_a_package_registry():
    hosts = re.compile(
        r"(pypi\.org|pythonhosted|registry\.npmjs|npmjs\.(org|com)|unpkg|jsdelivr|deb\.debian\.org)"
    )
    guilty = []
    for path in tracked():
        if path.name == Path(__file__).name:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if hosts.search(text):
            guilty.append(_id(path))
    assert not guilty


def test_no_third_party_code_and_no_junk_is_tracked():
    names = [_id(path) for path in tracked()]
    assert not [name for name in names if "/vendor/" in name or "node_modules" in name]
    assert not [name for name in names if name.endswith((".min.js", ".pyc", ".sqlite", ".orig"))]
    assert "uv.lock" not in names


def test_no_empty_python_packages():
    for folder in {path.parent for path in FILES}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert modules or any(child.is_dir() for child in folder.iterdir()), _id(folder)
