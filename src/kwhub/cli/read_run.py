"""Reading a meter once, or again and again, in one of three forms of output."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal, TypeAlias

from kwhub.cli.line_facts import line_facts, line_text
from kwhub.cli.output import Exit, Language, complain, print_json, say
from kwhub.cli.read_rows import Row, Wish, all_silent, fetch
from kwhub.cli.read_show import as_json, print_csv, progress, show, time_text
from kwhub.cli.read_watch import Screen, rounds
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.answer_times import AnswerTimes
from kwhub.links.drive import Driver
from kwhub.runtime.clock import Clock

__all__ = ["Form", "Reading"]

Form: TypeAlias = Literal["text", "json", "csv"]


class Reading:
    """One wish of one meter, and how what comes is printed."""

    def __init__(
        self,
        driver: Driver,
        address: str,
        wish: Wish,
        clock: Clock,
        form: Form,
        language: Language,
        *,
        times: AnswerTimes,
        strict: bool,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            driver: with an open link.
            address: of the meter.
            wish: what is read.
            clock: dates what comes.
            form: of the output.
            language: of the words.
            times: the answer times that the driver's session keeps.
            strict: everything was asked for by name, so what is missing is worth an exit code.
        """
        self._driver = driver
        self._times = times
        self._address = address
        self._wish = wish
        self._clock = clock
        self._form = form
        self._language = language
        self._strict = strict
        self._heading = True

    async def once(self) -> int:
        """Read and print; returns the exit code."""
        with progress(self._language) as told:
            rows = await fetch(self._driver, self._address, self._wish, self._clock, told)
        if self._form != "text" or not all_silent(rows):
            self._print(rows)
        return self._exit_code(rows)

    async def again_and_again(self, period_s: float, count: int | None) -> int:
        """Read and show every ``period_s`` seconds; returns the exit code of the last reading.

        A meter that falls silent is asked again at the next moment: that is what one watches for.
        """
        cancel_on_terminate()
        screen = Screen(self._address, self._language)
        code = int(Exit.OK)
        drawn = self._form == "text" and screen.is_possible
        readings = rounds(self._fetch, self._clock, period_s=period_s, count=count)
        with screen.live() if drawn else nullcontext():
            async for rows in readings:
                if drawn:
                    screen.take(rows, self._facts())
                else:
                    if self._form == "text" and rows:
                        say(f"{self._address}  {time_text(rows[-1].at)}")
                    self._print(rows)
                code = self._code(rows)
        return code

    async def _fetch(self) -> list[Row]:
        return await fetch(self._driver, self._address, self._wish, self._clock)

    def _print(self, rows: Sequence[Row]) -> None:
        if self._form == "json":
            facts = line_facts(self._driver, self._times, self._address)
            print_json(as_json(self._address, rows, facts, all_of_them=not self._wish.everything))
        elif self._form == "csv":
            print_csv(self._address, rows, self._language, heading=self._heading)
            self._heading = False
        else:
            show(rows, self._language, all_of_them=not self._wish.everything)
            if self._wish.everything:
                say(f"\n{self._address}  {self._facts()}")

    def _facts(self) -> str:
        return line_text(self._driver, self._times, self._address, self._language)

    def _exit_code(self, rows: Sequence[Row]) -> int:
        if all_silent(rows):
            complain(
                f"meter {self._address} is silent: check its address, the speed and the wiring"
            )
        return self._code(rows)

    def _code(self, rows: Sequence[Row]) -> int:
        if any(row.is_silence for row in rows):
            return Exit.LINK
        some = any(row.value is not None for row in rows)
        missing = any(row.value is None for row in rows)
        return Exit.NO if (self._strict and missing) or not some else Exit.OK
