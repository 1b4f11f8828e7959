"""Finds the sentences that the code can say to a person: literal texts of errors, with a mark for each part that changes."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import kwhub

__all__ = ["HEADEND", "HOLE", "Sentence", "actions", "constants", "sentences"]

HOLE = "\0"
SOURCES = Path(kwhub.__file__).parent
HEADEND = SOURCES / "headend"

WORDED = frozenset(
    {
        "ArchiveError",  # every kind of problem has its words beside it
        "ConfigError",  # ends the start of the service
        "DecodeError",  # of frames and stored bytes
        "NotTaken",  # its key names a text
        "StoreError",  # a page says only that the store does not answer
        "StoreFull",
        "TooOften",
        "WrongChoice",  # its name chooses a text
        "WrongSetting",
    }
)
"""Errors whose sentences no page shows."""

ERRORS = frozenset(
    {
        "ClientException",
        "Declined",
        "HTTPException",
        "KeyTaken",
        "KwhubError",
        "LinkBusy",
        "LinkDown",
        "LocalError",
        "NoAnswer",
        "NotAuthorizedException",
        "NotFoundException",
        "NotYet",
        "PermissionDeniedException",
        "Refusal",
        "RemoteError",
        "Resting",
        "SecurityRefusal",
        "SequenceError",
        "TripRefused",
        "Unbillable",
        "ValidationException",
    }
)
SAYS = dict.fromkeys(ERRORS, 0) | {"Outcome": 1, "failed_items": 1}
"""What says something to a person, and which of its arguments that is."""

ELSEWHERE = ("api/once.py", "store/backup.py", "store/backup_files.py", "web/serving.py")
"""Files whose errors are answers to programs, or end a command."""


RECORDS = frozenset({"record", "_record", "_audit", "audit", "_move"})
"""Functions that write into the trail."""

ACTION = re.compile(rf"[a-z]+(_([a-z]+|{HOLE}))+|setting|retention|acknowledge|issue|cancel")


@dataclass(frozen=True)
class Sentence:
    """What the code can say at a place; ``HOLE`` stands for what changes."""

    place: str
    error: str
    text: str


def sentences() -> Iterator[Sentence]:
    """Everything that a service of the head-end, or a part of the API that pages use, can say."""
    for path in sorted(HEADEND.rglob("*.py")):
        name = path.relative_to(HEADEND).as_posix()
        if name in ELSEWHERE:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        used = _used_by_pages(path.stem, tree) if path.parent.name == "api" else tree.body
        for part in used:
            yield from _said_in(name, tree, part)


def constants() -> set[str]:
    """Every text of the code, without what changes in it."""
    return {
        node.value
        for path in SOURCES.rglob("*.py")
        if not path.stem.endswith("_words")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def actions() -> set[str]:
    """What the head-end writes into its trail as an action; ``HOLE`` stands for what changes."""
    found: set[str] = set()
    for path in HEADEND.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    for each in _given(node):
                        found.update(_texts(each, _Scope(tree, function)))
    return {each for each in found if ACTION.fullmatch(each)}


def _given(node: ast.AST) -> list[ast.expr]:
    """What a call that writes into the trail is given, and one that will be made later."""
    if not isinstance(node, ast.Call):
        return []
    name = ast.unparse(node.func).rpartition(".")[2]
    later = name == "partial" and "record" in ast.unparse(node.args[0])
    return node.args if later or name in RECORDS else []


def _used_by_pages(module: str, tree: ast.Module) -> list[ast.stmt]:
    """The functions and classes of a module of the API that pages import, and those that these use."""
    parts = {
        each.name: each
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    found: dict[str, ast.stmt] = {}
    wanted = _imported_by_pages(f"kwhub.headend.api.{module}") & set(parts)
    while wanted:
        name = wanted.pop()
        found[name] = parts[name]
        names = {each.id for each in ast.walk(parts[name]) if isinstance(each, ast.Name)}
        wanted |= names & set(parts) - set(found)
    return list(found.values())


def _imported_by_pages(module: str) -> set[str]:
    return {
        alias.name
        for path in (HEADEND / "web").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }


def _said_in(name: str, tree: ast.Module, part: ast.stmt) -> Iterator[Sentence]:
    functions = [
        each for each in ast.walk(part) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for function in functions:
        for node in ast.walk(function):
            said = _argument(node)
            if said is not None:
                error = ast.unparse(node.func)  # type: ignore[attr-defined]
                for text in _texts(said, _Scope(tree, function)):
                    yield Sentence(f"{name}:{said.lineno}", error, text)


def _argument(node: ast.AST) -> ast.expr | None:
    """What a call says; None for a call that says nothing."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    place = SAYS.get(node.func.id, len(node.args))
    return node.args[place] if place < len(node.args) else None


@dataclass(frozen=True)
class _Scope:
    """Where names are looked up, and those that are being looked up."""

    tree: ast.Module
    function: ast.AST
    open: frozenset[str] = frozenset()

    def values(self, name: str) -> list[str]:
        """Every text that a name can stand for; none when it is no text of the code."""
        if name in self.open:
            return []
        inner = _Scope(self.tree, self.function, self.open | {name})
        found: list[str] = []
        for node in (*ast.walk(self.function), *self.tree.body):
            found += _assigned(node, name, inner)
        return found


def _assigned(node: ast.AST, name: str, scope: _Scope) -> list[str]:
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return _texts(node.value, scope)
    if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
        names = [each.id for each in node.target.elts if isinstance(each, ast.Name)]
        if name in names and isinstance(node.iter, ast.Name):
            return _column(node.iter.id, names.index(name), scope)
    return []


def _column(name: str, place: int, scope: _Scope) -> list[str]:
    """The texts at one place of the rows that a loop goes through."""
    found: list[str] = []
    for node in ast.walk(scope.function):
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == name
            and isinstance(node.value, ast.List)
        ):
            for row in node.value.elts:
                if isinstance(row, ast.Tuple):
                    found += _texts(row.elts[place], scope)
    return found


def _texts(node: ast.expr, scope: _Scope) -> list[str]:
    """Every text that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    found: list[str] = []
    if isinstance(node, ast.FormattedValue) and node.conversion == -1:
        found = _texts(node.value, scope)
    elif isinstance(node, ast.JoinedStr):
        parts = product(*(_texts(each, scope) for each in node.values))
        found = ["".join(each) for each in parts]
    elif isinstance(node, ast.IfExp):
        found = [*_texts(node.body, scope), *_texts(node.orelse, scope)]
    elif isinstance(node, ast.Tuple) and len(node.elts) == 1:
        found = _texts(node.elts[0], scope)
    elif isinstance(node, ast.Name):
        found = scope.values(node.id)
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        found = _of_table(node.value.id, scope)
    return found or [HOLE]


def _of_table(name: str, scope: _Scope) -> list[str]:
    """The texts of a table of the module."""
    for node in scope.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == name:
                return [text for each in node.value.values for text in _texts(each, scope)]
    return []
