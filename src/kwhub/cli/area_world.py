"""The meters of a simulated area, and the settings of its concentrator and its head-end.

The meters follow from the file and the seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from kwhub.cli.area_file import AreaFile
from kwhub.concentrator import config as below
from kwhub.concentrator import config_downlinks as downlinks
from kwhub.headend import config as above
from kwhub.protocols.mbus.identity import Identity
from kwhub.sim.area import Place, TransformerArea
from kwhub.sim.mbus import MbusMeter
from kwhub.sim.noise import mix

__all__ = ["REGION", "TERMINAL", "ZONE", "AreaWorld", "MbusPlace"]

REGION: Final = "4101"
TERMINAL: Final = 2082
FIRST_PORT: Final = 2
MODULE_PORT: Final = 31  #: by custom of the uplink
ZONE: Final = "Asia/Shanghai"

MbusKind = Literal["water", "heat", "gas"]
MEDIA: Final[tuple[tuple[MbusKind, int], ...]] = (("water", 0x07), ("heat", 0x04), ("gas", 0x03))
MANUFACTURER: Final = 0x2C2D


@dataclass(frozen=True, slots=True)
class MbusPlace:
    """A meter on the M-Bus line."""

    meter: MbusMeter
    kind: MbusKind
    point: int


class AreaWorld:
    """What exists below the concentrator.

    Attributes:
        file: the settings.
        wired: meters on RS-485 lines.
        behind: meters behind the module; None when there is none.
        mbus: meters on the M-Bus line.
    """

    def __init__(self, file: AreaFile, seed: int, *, start: datetime, folder: Path) -> None:
        self.file = file
        self.seed = seed
        self._folder = folder
        self.wired = TransformerArea(
            seed,
            start=start,
            meters=file.buses * file.meters_a_bus,
            concentrators=1,
            buses=file.buses,
        )
        self.behind = tuple(self._behind(start))
        first = len(self.wired.places) + 1
        self.mbus = tuple(self._mbus(first))
        self._first_behind = first + len(self.mbus)

    def _behind(self, start: datetime) -> Iterator[Place]:
        """Customers of a neighbouring area: their loads are nobody's supply here."""
        count = self.file.module_meters
        if count:
            made = max(count + 1, 3)  # the first is the supply meter, which is left out
            area = TransformerArea(
                mix(self.seed, 7), start=start, meters=made, concentrators=1, buses=1, thief=False
            )
            yield from [place for place in area.places if place.kind != "supply"][:count]

    def _mbus(self, first: int) -> Iterator[MbusPlace]:
        base = 10_000_000 + mix(self.seed, 8) % 80_000_000
        for number in range(self.file.mbus_meters):
            kind, medium = MEDIA[number % len(MEDIA)]
            identity = Identity(f"{base + number:08d}", MANUFACTURER, 1, medium)
            yield MbusPlace(MbusMeter(identity, address=number + 1), kind, first + number)

    def settings(self) -> below.Config:
        """The settings of the concentrator, with links in memory."""
        buses = tuple(self._bus(number) for number in range(1, self.file.buses + 1))
        mbus_port = FIRST_PORT + self.file.buses
        return below.Config(
            concentrator=below.Identity(
                region=REGION,
                terminal=TERMINAL,
                zone=ZONE,
                store=str(self._folder / "concentrator.sqlite"),
            ),
            uplink=below.UplinkSettings(address="memory:headend"),
            plan=self.file.plan,
            bus=buses,
            mbus=(self._mbus_line(mbus_port),) if self.mbus else (),
            module=(self._module(),) if self.behind else (),
        )

    def _bus(self, number: int) -> downlinks.BusSettings:
        return downlinks.BusSettings(
            name=f"bus-{number}",
            address=f"memory:bus-{number}",
            port=FIRST_PORT + number - 1,
            baud=self.file.baud,
            meter=tuple(
                _meter(place, place.point) for place in self.wired.places if place.bus == number
            ),
        )

    def _mbus_line(self, port: int) -> downlinks.MbusSettings:
        return downlinks.MbusSettings(
            name="mbus",
            address="memory:mbus",
            port=port,
            meter=tuple(
                downlinks.MbusMeterSettings(
                    address=place.meter.identity.number,
                    point=place.point,
                    kind=place.kind,
                    every="hourly",
                )
                for place in self.mbus
            ),
        )

    def _module(self) -> downlinks.ModuleSettings:
        return downlinks.ModuleSettings(
            name="module",
            address="memory:module",
            port=MODULE_PORT,
            meter=tuple(
                _meter(place, self._first_behind + number)
                for number, place in enumerate(self.behind)
            ),
        )

    def headend(self) -> above.Config:
        """The settings of the head-end, whose archive has every meter."""
        plan = self.file.plan
        wanted = [(place.point, place) for place in self.wired.places]
        wanted += [(self._first_behind + n, place) for n, place in enumerate(self.behind)]
        meters = [
            above.Meter(
                address=place.meter.address,
                point=point,
                phases=3 if place.meter.phases == 3 else 1,
                kind="supply" if place.kind == "supply" else "customer",
                ratio=place.meter.ratio,
                curve_minutes=plan.curve_minutes,
                hourly=plan.hourly,
                day_freeze=plan.day_freeze,
                tariffs=plan.tariffs,
            )
            for point, place in wanted
        ]
        meters += [
            above.Meter(
                address=downlinks.record_address(place.meter.identity.number, 0),
                point=place.point,
                curve_minutes=0,
                hourly=False,
                day_freeze=False,
            )
            for place in self.mbus
        ]
        terminal = above.Terminal(region=REGION, terminal=TERMINAL, meter=tuple(meters))
        return above.Config(
            headend=above.Service(
                store=str(self._folder / "headend.sqlite"), uplink="", web="", zone=ZONE
            ),
            area=(above.Area(code="A-1", name="Area", name_zh="台区", terminal=(terminal,)),),
        )


def _meter(place: Place, point: int) -> downlinks.MeterSettings:
    phases: Literal[1, 3] = 3 if place.meter.phases == 3 else 1
    return downlinks.MeterSettings(address=place.meter.address, point=point, phases=phases)
