"""``ir:ADDRESS`` and ``ir:sim:NAME``: a meter's infrared window, real or simulated.

``ir:serial:/dev/ttyUSB1`` is an infrared head on any byte link: 1200 baud and 8E1 unless the address
says otherwise, and the echo of one's own light is taken out (``echo=no`` leaves it in).

``ir:sim:NAME?distance=4&lux=20000&angle=10&seed=1`` is light in a simulated room that both ends of
one process join by name; whoever gives options sets the room, the other may give none or the same.
``ir:sim:tcp:127.0.0.1:6455?distance=4`` is the same with a peer in another process, whose light
arrives as JSON lines over that link; the options are those of this end's eye.
"""

from dataclasses import replace
from urllib.parse import urlencode

from kwhub.domain.errors import LocalError
from kwhub.infrared import uart
from kwhub.infrared.channel import Scene
from kwhub.infrared.head import HeadLink
from kwhub.infrared.link_light import LightLink, Settings, air_named
from kwhub.links.address import LinkAddress, open_link, parse
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["BAUD_DEFAULT", "LIGHT_OPTIONS", "open_address"]

BAUD_DEFAULT = 1200
SIMULATED = "sim:"
REMOTE = ("tcp:", "tcp-listen:")
TIMED = ("serial", "pty", "tcp", "tcp-listen", "memory", "paced")
YES_NO = {"yes": True, "no": False}
LIGHT_OPTIONS = (
    "distance",
    "angle",
    "lux",
    "lamp",
    "ballast",
    "echo",
    "carrier",
    "baud",
    "seed",
)
"""``distance`` m, ``angle`` degrees, ``lux``, ``lamp`` and ``ballast`` mW/m2 in the filter, ``echo`` 0 to 1,
``carrier`` Hz, ``baud``, ``seed``."""

SEED_MAX = 1 << 31
CARRIER_HZ = range(30_000, 60_001)


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Open a head or simulated light.

    Raises:
        ConfigError: target or options are wrong.
        LinkDown: what carries the bytes cannot be opened now.
    """
    if address.target.startswith(SIMULATED):
        return await _open_light(address, clock)
    options = dict(address.options)
    filtered = address.choice("echo", True, YES_NO)  # noqa: FBT003 - the default of the option
    options.pop("echo", None)
    scheme = address.target
    while scheme.startswith("paced:"):
        scheme = scheme.removeprefix("paced:")
    if scheme.partition(":")[0] in TIMED:
        options.setdefault("baud", str(BAUD_DEFAULT))
    text = address.target + (f"?{urlencode(options)}" if options else "")
    inner = await open_link(parse(text), clock=clock)
    return HeadLink(inner, clock) if filtered else inner


async def _open_light(address: LinkAddress, clock: Clock) -> Link:
    address.allow(*LIGHT_OPTIONS)
    settings = _settings(address)
    target = address.target.removeprefix(SIMULATED)
    link: Link
    if target.startswith(REMOTE):
        inner = await open_link(target, clock=clock)
        light = LightLink(inner, address.text, settings, clock)
        light.facts = replace(light.facts, address=f"ir:sim:{inner.facts.address}")
        link = light
    else:
        if not target:
            raise address.wrong("ir:sim: needs a name, such as ir:sim:window?distance=4")
        air = air_named(target, settings if address.options else None)
        if air is None:
            raise address.wrong(f"the light of {target!r} is set already, and otherwise")
        link = air.attach(clock)
    return HeadLink(link, clock) if settings.echo > 0 else link


def _settings(address: LinkAddress) -> Settings:
    try:
        scene = Scene(
            distance_m=_number(address, "distance", 1.0),
            angle_deg=_number(address, "angle", 0.0),
            lux=_number(address, "lux", 0.0),
            lamp_mw_m2=_number(address, "lamp", 0.0),
            ballast_mw_m2=_number(address, "ballast", 0.0),
        )
    except LocalError as error:
        raise address.wrong(str(error)) from error
    echo = _number(address, "echo", 0.0)
    if not 0 <= echo <= 1:
        raise address.wrong(f"option echo must be 0 to 1, not {echo:g}")
    return Settings(
        scene,
        uart.Line(baud=address.integer("baud", BAUD_DEFAULT, uart.BAUDS)),
        float(address.integer("carrier", 38_000, CARRIER_HZ)),
        echo,
        address.integer("seed", 1, range(SEED_MAX)),
    )


def _number(address: LinkAddress, name: str, default: float) -> float:
    text = address.options.get(name)
    if text is None:
        return default
    plain = text.replace(".", "", 1)
    if not (plain.isascii() and plain.isdigit()):
        raise address.wrong(f"option {name} must be a number, not {text!r}")
    return float(text)
