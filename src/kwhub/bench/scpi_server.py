"""The simulated bench behind SCPI: the other end of ``scpi_instruments``, for rehearsals and tests."""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from kwhub.bench.instruments import Light
from kwhub.bench.simulated import SimulatedBench
from kwhub.domain.errors import LinkDown, LocalError
from kwhub.links.base import Link

__all__ = ["ScpiSimulator"]

LINE_BYTES_MAX: Final = 4096
NO_ERROR: Final = '0,"No error"'
Handler = Callable[[str], Coroutine[Any, Any, str | None]]


class ScpiSimulator:
    """Answers the default commands of every role for one simulated bench.

    ``silent`` names queries that are never answered and ``replaced`` gives other answers, so that
    a driver can be rehearsed with a broken instrument.
    """

    def __init__(self, bench: SimulatedBench) -> None:
        self.bench = bench
        self.silent: set[str] = set()
        self.replaced: dict[str, bytes] = {}
        self.heard: list[str] = []
        self._handlers: dict[str, Handler] = {
            "*IDN?": self._identify,
            "STAG:MOVE": self._move,
            "LAMP:LEV": self._shine,
            "SPEC:DATA?": self._spectrum,
            "POW:READ?": self._irradiance,
            "LOG:ARM": self._arm,
            "LOG:RATE?": self._rate,
            "LOG:EDG?": self._edges,
            "HEAD:POW": self._power,
            "HEAD:ASK?": self._ask,
            "DIST:LEV": self._disturb,
            "LOAD": self._load,
        }

    async def serve(self, link: Link) -> None:
        """Answer one connection until it goes down; each has an error queue of its own."""
        errors: list[str] = []
        buffer = bytearray()
        try:
            while True:
                buffer += await link.read()
                if len(buffer) > LINE_BYTES_MAX:
                    return
                while (end := buffer.find(b"\n")) >= 0:
                    line = bytes(buffer[:end]).decode("ascii", "replace").strip()
                    del buffer[: end + 1]
                    await self._answer(link, line, errors)
        except LinkDown:
            return

    async def _answer(self, link: Link, line: str, errors: list[str]) -> None:
        self.heard.append(line)
        answers = []
        for part in line.split(";"):
            verb, _, rest = part.strip().partition(" ")
            verb = verb.upper()
            if verb in self.silent:
                return
            if verb in self.replaced:
                await link.write(self.replaced[verb] + b"\n")
                return
            answer = await self._one(verb, rest.strip(), errors)
            if answer is not None:
                answers.append(answer)
        if answers:
            await link.write(";".join(answers).encode() + b"\n")

    async def _one(self, verb: str, rest: str, errors: list[str]) -> str | None:
        if verb == "SYST:ERR?":
            return errors.pop(0) if errors else NO_ERROR
        if verb == "*OPC?":
            return "1"
        handler = self._handlers.get(verb)
        if handler is None:
            errors.append(f'-113,"Undefined header;{verb[:40]}"')
            return None
        try:
            return await handler(rest)
        except (LocalError, ValueError) as error:
            errors.append(f'-222,"Data out of range;{str(error)[:80]}"')
            return None

    async def _identify(self, _rest: str) -> str:
        return await self.bench.identify()

    async def _move(self, rest: str) -> None:
        distance, angle = _floats(rest, 2)
        if not (0.05 <= distance <= 10 and abs(angle) <= 60):
            raise LocalError("the stage reaches 0.05 to 10 m and 60 degrees to either side")
        await self.bench.move(distance, angle)

    async def _shine(self, rest: str) -> None:
        lux, lamp, ballast = _floats(rest, 3)
        await self.bench.shine(Light(lux, lamp, ballast))

    async def _spectrum(self, _rest: str) -> str:
        table = await self.bench.spectrum()
        rows = zip(table.wavelengths_nm, table.powers, strict=True)
        return ",".join(f"{nm:.2f},{power:.6f}" for nm, power in rows)

    async def _irradiance(self, _rest: str) -> str:
        return f"{await self.bench.irradiance_mw_m2():.6E}"

    async def _arm(self, _rest: str) -> None:
        await self.bench.arm()

    async def _rate(self, _rest: str) -> str:
        return f"{(await self.bench.capture()).rate_hz:.0f}"

    async def _edges(self, rest: str) -> str:
        capture = await self.bench.capture()
        if rest not in ("1", "2"):
            raise LocalError("there are channels 1 and 2")
        return ",".join(map(str, (capture.request if rest == "1" else capture.answer).tolist()))

    async def _power(self, rest: str) -> None:
        if rest not in ("ON", "OFF"):
            raise LocalError("ON or OFF")
        await self.bench.power(on=rest == "ON")

    async def _ask(self, rest: str) -> str:
        found = re.fullmatch(r'(OPT|WIRE),"([0-9A-F]*)"', rest)
        if found is None:
            raise LocalError("OPT or WIRE and hexadecimal in quotes")
        request = bytes.fromhex(found[2])
        answer = await self.bench.ask(request, "light" if found[1] == "OPT" else "wire")
        return f'"{answer.hex().upper()}"'

    async def _disturb(self, rest: str) -> None:
        irradiance, carrier = _floats(rest, 2)
        await self.bench.disturb(irradiance, carrier)

    async def _load(self, rest: str) -> None:
        await self.bench.load(rest.strip('"'))


def _floats(text: str, count: int) -> list[float]:
    numbers = [float(part) for part in text.split(",")]
    if len(numbers) != count:
        raise LocalError(f"{count} numbers are wanted")
    return numbers
