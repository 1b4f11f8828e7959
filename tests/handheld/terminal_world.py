"""A collecting terminal before a handheld: two channels that pulse, on a link of this process."""

from contextlib import asynccontextmanager, suppress

from kwhub.exchange.device_messages import WorkMeter
from kwhub.runtime.chance import seeded
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal

ADDRESS = "000020260700"
METERS = tuple(
    WorkMeter(f"0000202607{number:02}", terminal=ADDRESS, area="area 1", place=f"house {number}")
    for number in (1, 2)
)
TEXT = """
[terminal]
address = "000020260700"
folder = "kept"
commit_ms = 30000

[inputs]
kind = "simulator"
load_kw = 5.0

[[link]]
address = "memory:000020260700"

[[channel]]
number = 1
constant = 1600
initial = "10.00"

[[channel]]
number = 2
constant = 3200
initial = "20.00"
"""


@asynccontextmanager
async def terminal_at_work(folder, clock, tasks, *, word=""):
    """The terminal, counting and answering; with a file of this name it can be written to."""
    file = folder / "terminal.toml"
    file.write_text(f'{TEXT}\n[[password]]\nlevel = 4\nfile = "{word}"\n' if word else TEXT)
    terminal = Terminal(terminal_config.load(file), clock, chance=seeded(1))
    running = tasks.create_task(terminal.run())
    await clock.sleep(20)
    yield terminal
    running.cancel()
    with suppress(BaseException):
        await running
    terminal.close()
