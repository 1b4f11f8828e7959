"""The log of a command goes wherever standard error is at that moment, and never ends the work it tells of."""

import io
import json
import sys
from pathlib import Path

import pytest
import structlog

from kwhub.cli.logs import configure

FULL = Path("/dev/full")


def test_what_cannot_be_written_is_dropped(monkeypatch):
    configure("warning", json=True)
    log = structlog.get_logger().bind(bus="bus-1")
    gone, here = io.StringIO(), io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    log.warning("nobody hears this")
    monkeypatch.setattr(sys, "stderr", here)
    log.warning("but this")
    line = json.loads(here.getvalue())
    assert (line["event"], line["bus"], line["level"]) == ("but this", "bus-1", "warning")


@pytest.mark.skipif(not FULL.exists(), reason="a full disk is played by /dev/full of Linux")
def test_a_full_disk_under_the_log_is_survived(tmp_path):
    configure("warning", path=FULL)
    log, told = structlog.get_logger(), 0
    for _ in range(2_000):  # more than any buffer takes
        log.warning("disk is nearly full")
        told += 1
    configure("warning", path=tmp_path / "log")
    structlog.get_logger().warning("there is room again", lines=told)
    assert "lines=2000" in (tmp_path / "log").read_text()


def test_a_log_file_has_every_line(tmp_path):
    configure("warning", path=tmp_path / "log")
    log = structlog.get_logger()
    log.info("too light")
    log.warning("meter went silent", point=3)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "meter went silent" in line
    assert "point=3" in line
