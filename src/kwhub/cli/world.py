"""The world of the demonstration: one transformer area, its concentrators and the head-end's archive.

Everything follows from the seed and the first moment; the settings are those that a user would write.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from kwhub.cli.output import ZH, Language
from kwhub.concentrator import config as concentrator_config
from kwhub.headend import config as headend_config
from kwhub.sim.area import Place, TransformerArea

__all__ = ["BUSES", "CONCENTRATORS", "FIRST_PORT", "METERS", "ZONE", "World"]

METERS = 60
CONCENTRATORS = 2
BUSES = 2  #: of each concentrator
BAUD: Final = 9600
REGION = "4101"
FIRST_TERMINAL = 2082
FIRST_PORT = 2  #: Q/GDW 1376.1 counts RS-485 ports from 2; 1 is the terminal's own measurement
ZONE = "Asia/Shanghai"
AREA_NAMES = {"en": "Garden Road 12", "zh": "花园路12号台区"}
PLAN: Final = concentrator_config.PlanSettings(history_days=0)
"""What is read of every meter, and therefore what the head-end expects."""
TERMINAL_NAMES = {"en": "Concentrator", "zh": "集中器"}


@dataclass(frozen=True, slots=True)
class World:
    """What exists, independent of time and links.

    Attributes:
        area: the meters and their loads.
        folder: where the stores lie.
        language: of the names in the archive.
    """

    area: TransformerArea
    folder: Path
    language: Language

    @classmethod
    def make(
        cls, seed: int, *, start: datetime, folder: Path, language: Language, meters: int = METERS
    ) -> "World":
        """Make the world whose story begins at ``start`` (aware)."""
        area = TransformerArea(
            seed, start=start, meters=meters, concentrators=CONCENTRATORS, buses=BUSES
        )
        return cls(area, folder, language)

    def bus_of(self, concentrator: int, port: int) -> int:
        """The area's number of the bus behind a port of a concentrator."""
        return (concentrator - 1) * BUSES + port - FIRST_PORT + 1

    def port_of(self, place: Place) -> int:
        """The port of its concentrator on which a meter hangs."""
        return (place.bus - 1) % BUSES + FIRST_PORT

    def name_of(self, place: Place) -> str:
        """The name of a meter's customer in the language of the archive."""
        return place.name_zh if self.language == ZH else place.name

    def concentrator(
        self, number: int, *, uplink: str, buses: dict[int, str]
    ) -> concentrator_config.Config:
        """The settings of a concentrator.

        Args:
            number: counted from 1.
            uplink: link address of the head-end.
            buses: link address of each bus, by the area's number of the bus.
        """
        places = self.area.of_concentrator(number)
        ports = range(FIRST_PORT, FIRST_PORT + BUSES)
        return concentrator_config.Config(
            concentrator=concentrator_config.Identity(
                region=REGION,
                terminal=FIRST_TERMINAL + number - 1,
                name=f"{TERMINAL_NAMES[self.language]} {number}",
                zone=ZONE,
                store=str(self.folder / f"concentrator-{number}.sqlite"),
            ),
            uplink=concentrator_config.UplinkSettings(address=uplink),
            plan=PLAN,
            bus=tuple(
                concentrator_config.BusSettings(
                    name=f"bus-{port}",
                    address=buses[self.bus_of(number, port)],
                    port=port,
                    baud=BAUD,
                    meter=tuple(
                        concentrator_config.MeterSettings(
                            address=place.meter.address,
                            point=place.point,
                            phases=3 if place.meter.phases == 3 else 1,
                            name=self.name_of(place),
                        )
                        for place in places
                        if self.port_of(place) == port
                    ),
                )
                for port in ports
            ),
        )

    def headend(self, *, uplink: str = "", web: str = "127.0.0.1:8080") -> headend_config.Config:
        """The settings of the head-end with its archive."""
        return headend_config.Config(
            headend=headend_config.Service(
                store=str(self.folder / "headend.sqlite"), uplink=uplink, web=web, zone=ZONE
            ),
            area=(
                headend_config.Area(
                    code="TG-12",
                    name=AREA_NAMES["en"],
                    name_zh=AREA_NAMES["zh"],
                    terminal=tuple(
                        self._terminal(number) for number in range(1, CONCENTRATORS + 1)
                    ),
                ),
            ),
        )

    def _terminal(self, number: int) -> headend_config.Terminal:
        return headend_config.Terminal(
            region=REGION,
            terminal=FIRST_TERMINAL + number - 1,
            name=f"{TERMINAL_NAMES[self.language]} {number}",
            meter=tuple(
                headend_config.Meter(
                    address=place.meter.address,
                    point=place.point,
                    port=self.port_of(place),
                    name=self.name_of(place),
                    phases=3 if place.meter.phases == 3 else 1,
                    kind="supply" if place.kind == "supply" else "customer",
                    ratio=place.meter.ratio,
                    baud=BAUD,
                    curve_minutes=PLAN.curve_minutes,
                    hourly=PLAN.hourly,
                    day_freeze=PLAN.day_freeze,
                    tariffs=PLAN.tariffs,
                )
                for place in self.area.of_concentrator(number)
            ),
        )
