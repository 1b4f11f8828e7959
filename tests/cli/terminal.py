"""A command on a pseudo terminal, with a person who types."""

import os
import subprocess
import sys


def in_a_terminal(arguments: list[str], typed: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Run the command on a pseudo terminal; type an answer after each prompt."""
    ours, theirs = os.openpty()
    code = "from kwhub.cli import main; main()"
    surroundings = {name: value for name, value in os.environ.items() if "KWHUB" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=surroundings,
    ) as process:
        os.close(theirs)
        heard = b""
        try:
            while True:
                heard += os.read(ours, 4096)
                if typed and typed[0][0] in heard:
                    os.write(ours, typed.pop(0)[1] + b"\n")
        except OSError:  # the terminal of a process that is gone
            pass
        finally:
            os.close(ours)
    return process.returncode, heard
