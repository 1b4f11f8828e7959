"""The unit of the service manager: what it runs exists, and what it forbids is not needed."""

import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from kwhub.cli.app import GROUPED

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "kwhub-concentrator.service"


def settings():
    """Values by section and name."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in UNIT.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[f"{section}.{name}"].append(value)
    return found


def test_commands_exist():
    unit = settings()
    commands = {(group, name) for group, name, _ in GROUPED}
    for key in ("Service.ExecStartPre", "Service.ExecStart"):
        (line,) = unit[key]
        _, group, name, *_ = shlex.split(line)
        assert (group, name) in commands
    assert unit["Service.ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_watchdog_and_sandbox():
    unit = settings()
    assert unit["Service.Type"] == ["notify"]
    assert int(unit["Service.WatchdogSec"][0]) >= 30
    for name, value in (
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("CapabilityBoundingSet", ""),
        ("DevicePolicy", "closed"),
        ("MemoryDenyWriteExecute", "yes"),
    ):
        assert unit[f"Service.{name}"] == [value]
    # The manager's socket, the head-end, and the names of network interfaces.
    families = unit["Service.RestrictAddressFamilies"][0].split()
    assert families == ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_BLUETOOTH"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_manager_understands_it():
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Unknown" not in done.stderr
