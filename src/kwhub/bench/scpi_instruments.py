"""The instruments of the bench over SCPI; which words a box wants is data.

Source: our own command words in the manner of SCPI-1999; ``COMMANDS`` are the defaults and the
configuration replaces them one by one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kwhub.bench.instruments import Capture, Light, Spectrum, Way
from kwhub.bench.scpi import Connection, parse_numbers
from kwhub.domain.errors import LocalError

__all__ = ["COMMANDS", "EDGES_MAX", "ScpiInstrument"]

EDGES_MAX = 2_000_000

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "stage": {"move": "STAG:MOVE {distance_m:.4f},{angle_deg:.2f};*OPC?"},
    "lamp": {
        "shine": "LAMP:LEV {daylight_lux:.1f},{lamp_mw_m2:.3f},{ballast_mw_m2:.3f};*OPC?",
    },
    "spectrometer": {"spectrum": "SPEC:DATA?"},
    "power_meter": {"irradiance": "POW:READ?"},
    "analyser": {
        "arm": "LOG:ARM",
        "rate": "LOG:RATE?",
        "request": "LOG:EDG? 1",
        "answer": "LOG:EDG? 2",
    },
    "head": {
        "on": "HEAD:POW ON",
        "off": "HEAD:POW OFF",
        "ask_light": 'HEAD:ASK? OPT,"{request}"',
        "ask_wire": 'HEAD:ASK? WIRE,"{request}"',
    },
    "disturber": {"disturb": "DIST:LEV {irradiance_mw_m2:.4f},{carrier_hz:.1f};*OPC?"},
    "loader": {"load": 'LOAD "{serial}";*OPC?'},
}
"""Role, what is wanted, and the words; a query ends with ``?`` and is answered by one line."""


@dataclass(slots=True)
class ScpiInstrument:
    """One instrument in any role; see ``instruments`` for what its methods mean."""

    connection: Connection
    role: str
    timeout_s: float = 5.0
    commands: Mapping[str, str] = field(default_factory=dict)  #: instead of the defaults

    async def identify(self) -> str:
        """See instruments."""
        answer = await self.connection.query("*IDN?", self.timeout_s)
        if answer.count(",") < 3:
            raise await self.connection.garbage("*IDN?", answer, "maker,model,serial,version")
        return answer

    async def move(self, distance_m: float, angle_deg: float) -> None:
        """See instruments."""
        await self._do("move", distance_m=distance_m, angle_deg=angle_deg)

    async def shine(self, light: Light) -> None:
        """See instruments."""
        await self._do(
            "shine",
            daylight_lux=light.daylight_lux,
            lamp_mw_m2=light.lamp_mw_m2,
            ballast_mw_m2=light.ballast_mw_m2,
        )

    async def spectrum(self) -> Spectrum:
        """See instruments: wavelength, power, wavelength, power and so on."""
        text, answer, numbers = await self._numbers("spectrum")
        try:
            return Spectrum(tuple(numbers[::2]), tuple(numbers[1::2]))
        except LocalError as error:
            raise await self.connection.garbage(text, answer, str(error)) from error

    async def irradiance_mw_m2(self) -> float:
        """See instruments."""
        return await self._one("irradiance")

    async def arm(self) -> None:
        """See instruments."""
        await self._do("arm")

    async def capture(self) -> Capture:
        """See instruments."""
        rate = await self._one("rate")
        if rate < 1e5:
            raise await self.connection.garbage(
                "rate", f"{rate:g}", "at least 100000 samples a second"
            )
        return Capture(rate, await self._edges("request"), await self._edges("answer"))

    async def power(self, *, on: bool) -> None:
        """See instruments."""
        await self._do("on" if on else "off")

    async def ask(self, request: bytes, way: Way = "light") -> bytes:
        """See instruments: hexadecimal in quotes."""
        name = "ask_light" if way == "light" else "ask_wire"
        text = self._text(name, request=request.hex().upper())
        answer = await self.connection.query(text, self.timeout_s)
        try:
            return bytes.fromhex(answer.strip('"'))
        except ValueError as error:
            raise await self.connection.garbage(text, answer, "hexadecimal in quotes") from error

    async def disturb(self, irradiance_mw_m2: float, carrier_hz: float) -> None:
        """See instruments."""
        await self._do("disturb", irradiance_mw_m2=irradiance_mw_m2, carrier_hz=carrier_hz)

    async def load(self, serial: str) -> None:
        """See instruments."""
        await self._do("load", serial=serial)

    def _text(self, name: str, **values: object) -> str:
        return (self.commands.get(name) or COMMANDS[self.role][name]).format(**values)

    async def _do(self, name: str, **values: object) -> None:
        text = self._text(name, **values)
        if "?" in text:
            answer = await self.connection.query(text, self.timeout_s)
            if answer not in ("1", "+1"):
                raise await self.connection.garbage(text, answer, "1")
        else:
            await self.connection.command(text, self.timeout_s)

    async def _numbers(self, name: str) -> tuple[str, str, list[float]]:
        text = self._text(name)
        answer = await self.connection.query(text, self.timeout_s)
        numbers = parse_numbers(answer)
        if numbers is None or not all(map(math.isfinite, numbers)):
            raise await self.connection.garbage(text, answer, "numbers with commas between")
        return text, answer, numbers

    async def _one(self, name: str) -> float:
        text, answer, numbers = await self._numbers(name)
        if len(numbers) != 1:
            raise await self.connection.garbage(text, answer, "one number")
        return numbers[0]

    async def _edges(self, name: str) -> NDArray[np.int64]:
        text, answer, numbers = await self._numbers(name)
        edges = np.asarray(numbers, np.float64)
        rising = bool((np.diff(edges) > 0).all()) and bool((edges >= 0).all())
        if not rising or len(edges) > EDGES_MAX or (len(edges) and edges[-1] > 1e15):
            raise await self.connection.garbage(text, answer, "sample numbers that rise")
        return edges.astype(np.int64)
