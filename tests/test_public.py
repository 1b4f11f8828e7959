"""What is public is meant to be public."""

import importlib
import pkgutil

import pytest

import kwhub

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(kwhub.__path__, "kwhub.")
    if ".migrations" not in module.name
)


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name):
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported)


def test_the_front_door_lists_what_it_offers():
    assert sorted(kwhub.__all__) == kwhub.__all__
