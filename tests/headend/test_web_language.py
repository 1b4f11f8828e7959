"""The two tables of texts: the same keys, the same names to fill in, nothing unknown, nothing unused."""

import ast
import re
import string
from pathlib import Path

import pytest
from jinja2 import nodes

from kwhub.headend.store.views import OrderState
from kwhub.headend.web.language import LANGUAGES, choose, texts
from kwhub.headend.web.page import HERE, environment

TEMPLATES = sorted((HERE / "templates").glob("*.html"))
ENGLISH, CHINESE = texts("en"), texts("zh")


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def keys_in_template(path: Path) -> set[str]:
    """Keys of t(...): a whole key, or a prefix ending in * where the rest is computed."""
    tree = environment().parse(path.read_text("utf-8"))
    found = set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            argument = call.args[0]
            if isinstance(argument, nodes.Const):
                found.add(argument.value)
            elif isinstance(argument, nodes.CondExpr):
                found |= {each.value for each in argument.find_all(nodes.Const)}
            else:
                assert isinstance(argument, nodes.Concat)
                first = argument.nodes[0]
                assert isinstance(first, nodes.Const)
                found.add(f"{first.value}*")
        elif isinstance(call.node, nodes.Name) and call.node.name == "heads":
            section = call.args[2]  # the macro puts the names of columns behind it
            assert isinstance(section, nodes.Const)
            found.add(f"{section.value}*")
    return found


def keys_in_code(path: Path) -> set[str]:
    """Every string that looks like a key, and f-strings that begin like one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            found.add(f"{node.values[0].value!s}*")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def known(key: str) -> bool:
    if key.endswith("*"):
        return any(each.startswith(key[:-1]) for each in ENGLISH.table)
    return key in ENGLISH.table


def test_both_tables_have_the_same_keys():
    assert ENGLISH.table.keys() == CHINESE.table.keys()


def test_both_texts_are_filled_in_alike():
    for key, english in ENGLISH.table.items():
        chinese = CHINESE.table[key]
        assert english.strip(), key
        assert chinese.strip(), key
        assert names_in(english) == names_in(chinese), key


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_known_keys(path):
    assert [key for key in keys_in_template(path) if not known(key)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_text_of_their_own(path):
    told = re.sub(r"{#.*?#}", "", path.read_text("utf-8"), flags=re.DOTALL)
    without = re.sub(r"{[{%].*?[}%]}", "", told, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", "", without)
    for name in ("kwhub", "OBIS", "CSV", "kW"):  # the same in every language
        shown = shown.replace(name, "")
    assert re.findall(r"[^\W\d_]{2,}", shown.replace("&amp;", "")) == []


def test_no_text_is_unused():
    used = set().union(*map(keys_in_template, TEMPLATES))
    for path in HERE.glob("*.py"):
        used |= keys_in_code(path)
    whole = {key for key in used if not key.endswith("*")}
    starts = tuple(key[:-1] for key in used if key.endswith("*") and "." in key)
    assert [key for key in ENGLISH.table if key not in whole and not key.startswith(starts)] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_state_of_an_order_has_its_words(code):
    for state in OrderState:
        assert texts(code)(f"state.{state.value}")
        assert texts(code)(f"state_why.{state.value}")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "code"),
    [
        (None, None, "", "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "de,en;q=0.5,zh;q=0.7", "zh"),
        (None, None, "zh;q=0,en", "en"),
        (None, None, "zh;q=much,*", "en"),
        (None, "zh", "en", "zh"),
        ("en", "zh", "zh", "en"),
        ("xx", "yy", "fr", "en"),
    ],
)
def test_the_language_is_the_asked_the_remembered_or_the_browsers(
    asked, remembered, accepted, code
):
    assert choose(asked, remembered, accepted) == code


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        ENGLISH("areas.no_such_text")


def test_a_missing_name_falls_back_to_the_other_language():
    assert ENGLISH.either("Willow Lane", "柳林路") == "Willow Lane"
    assert CHINESE.either("Willow Lane", "") == "Willow Lane"
