"""A store whose tables were made once, and an authority, copied for each test."""

import shutil

import pytest
from tests.identity.field import START

from kwhub.headend.identity.authority import Authority
from kwhub.headend.store.database import Database


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    Database(str(folder / "headend.sqlite")).close()
    Authority(folder / "ca", START)
    return folder


@pytest.fixture
def place(tmp_path, fresh):
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    return tmp_path
