"""Without the head-end's libraries the small install still reads meters, and says what is missing."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in ("numpy", "litestar", "sqlalchemy", "uvicorn", "jinja2", "alembic"):
    sys.modules[name] = None
from kwhub.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def run_small(*arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_base_install_decodes_and_runs_a_concentrator():
    assert run_small("decode", "6838000000000068110433333433EA16").returncode == 0
    told = run_small("concentrator", "run", "/no/such.toml")
    assert told.returncode == 2
    assert "/no/such.toml" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.slow
def test_a_missing_extra_is_named():
    told = run_small("demo", "--once")
    assert told.returncode == 2
    assert "kwhub[headend]" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.slow
def test_a_group_names_its_own_extra():
    told = run_small("infrared", "decode", "-")
    assert told.returncode == 2
    assert "kwhub[infrared]" in told.stderr
    assert "Traceback" not in told.stderr
