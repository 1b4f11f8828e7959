"""The parts of a prepaid customer's world as real processes: meter, key-ring, head-end."""

import json
import os
import subprocess
import sys

from tests.headend.vending_whole import CUSTOMER, root_keys
from tests.sim.prepay_site import METER

__all__ = ["CUSTOMER", "METER", "Process", "World", "settings_file"]

MAIN = "import sys; from kwhub.cli import main; sys.argv[0] = 'kwhub'; sys.exit(main())"
SETTINGS = """
[headend]
store = "headend.sqlite"
uplink = ""
web = "127.0.0.1:0"

[vending]
root_key = "root.key"
ledger = "vending.sqlite"
book = "vending.book.sqlite"

[[area]]
code = "A1"
name = "Willow Lane"
name_zh = "柳林路台区"

[[area.terminal]]
region = "4101"
terminal = 2082

[[area.terminal.meter]]
address = "202611200001"
point = 1
"""


class Process:
    """A service of ours that tells in JSON where it is reached; ``kill`` is a power cut."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-c", MAIN, *arguments, "--json"]
        environment = {**os.environ, "KWHUB_ROOT_KEY": "root.key", "LANG": "C"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
        )
        assert self.process.stdout
        self.output = self.process.stdout
        self.told = json.loads(self.output.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, *_what):
        self.kill()


def settings_file(folder):
    path = folder / "headend.toml"
    path.write_text(SETTINGS)
    return path


class World:
    """A folder with keys and settings, and processes in it."""

    def __init__(self, folder):
        self.folder = folder
        root_keys(folder)
        settings_file(folder)

    def meter(self):
        """Behind its infrared window."""
        window = "ir:sim:tcp-listen:127.0.0.1:0?distance=2"
        arguments = ("medium", "simulate", METER, "--folder", "meter", "--link", window)
        return Process(self.folder, *arguments)

    def ring(self):
        """At the counter."""
        arguments = ("medium", "device", "--medium", "ring", "--link", "ir:sim:none")
        return Process(self.folder, *arguments, "--counter", "tcp-listen:127.0.0.1:0")

    def headend(self):
        """With its pages."""
        return Process(self.folder, "headend", "run", "headend.toml", "--log-level", "error")
