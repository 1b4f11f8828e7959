"""What the meters of some makers do differently: files that are read, not code that asks for a maker.

Each file of the folder ``quirks`` is one deviation with its source, and with the makers and models that are
known for it. A deviation whose maker nobody has published is chosen by its name. What comes out are settings
(``Deviations``) for sessions and conversations.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from kwhub.domain.errors import ConfigError, LocalError
from kwhub.protocols.dlt645.deviations import STANDARD, WAKE_UP_BYTES_MAX, Deviations

__all__ = ["Quirk", "deviations_for", "deviations_named", "load_quirk", "quirks"]

_ENDING: Final = ".toml"

_Byte = msgspec.Meta(ge=0, le=0xFF)
_WakeUpBytes = msgspec.Meta(ge=0, le=WAKE_UP_BYTES_MAX)


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[deviations]``: what is left out is as in the standard."""

    request_preamble: Annotated[int, _WakeUpBytes] | msgspec.UnsetType = msgspec.UNSET
    answer_preamble: Annotated[int, _WakeUpBytes] | msgspec.UnsetType = msgspec.UNSET
    rate_words: dict[int, Annotated[int, _Byte]] | msgspec.UnsetType = msgspec.UNSET
    block_end: list[Annotated[int, _Byte]] | msgspec.UnsetType = msgspec.UNSET
    security_error_bytes: Literal[1, 2] | msgspec.UnsetType = msgspec.UNSET
    keeps_wildcard: bool | msgspec.UnsetType = msgspec.UNSET


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    title_en: Annotated[str, msgspec.Meta(min_length=1)]
    title_zh: Annotated[str, msgspec.Meta(min_length=1)]
    source: Annotated[str, msgspec.Meta(min_length=1)]
    deviations: _Table
    makers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    single_source: bool = False


class Quirk(NamedTuple):
    """One deviation.

    Attributes:
        name: that of its file, without the ending.
        makers: makers whose meters have it, in any case of letters; empty: any.
        models: patterns of type designations (``*`` for any letters); empty: any.
        settings: the fields of ``Deviations`` that differ from the standard.
        single_source: only one source is known for it.
    """

    name: str
    title_en: str
    title_zh: str
    source: str
    single_source: bool
    makers: tuple[str, ...]
    models: tuple[str, ...]
    settings: Mapping[str, Any]

    def matches(self, maker: str, model: str) -> bool:
        """Whether it is known for a meter. A quirk without maker and model is known for none."""
        if not (self.makers or self.models):
            return False
        maker, model = maker.casefold(), model.casefold()
        made = not self.makers or maker in (known.casefold() for known in self.makers)
        return made and (
            not self.models
            or any(fnmatchcase(model, pattern.casefold()) for pattern in self.models)
        )


def load_quirk(text: str, *, name: str, file: str = "") -> Quirk:
    """One quirk from the text of its file.

    Raises:
        ConfigError: the text is not TOML or does not say what a quirk needs; with file and key.
    """
    where = file or f"{name}{_ENDING}"
    try:
        found = msgspec.convert(tomllib.loads(text), _File, str_keys=True)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", file=where) from error
    except msgspec.ValidationError as error:
        what, _, key = str(error).partition(" - at `$.")
        raise ConfigError(what, file=where, key=key.rstrip("`")) from error
    settings = {
        field.name: value
        for field in fields(Deviations)
        if (value := getattr(found.deviations, field.name)) is not msgspec.UNSET
    }
    if not settings:
        raise ConfigError("nothing differs from the standard", file=where, key="deviations")
    if "block_end" in settings:
        settings["block_end"] = bytes(settings["block_end"])
    quirk = Quirk(
        name,
        found.title_en,
        found.title_zh,
        found.source,
        found.single_source,
        found.makers,
        found.models,
        MappingProxyType(settings),
    )
    try:
        _together([quirk])
    except LocalError as error:
        raise ConfigError(str(error), file=where, key="deviations") from error
    return quirk


@cache
def quirks() -> Mapping[str, Quirk]:
    """Every quirk that is known, by name."""
    return MappingProxyType({quirk.name: quirk for quirk in _read_all()})


def _read_all() -> Iterator[Quirk]:
    folder = files("kwhub.catalog").joinpath("quirks")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(_ENDING):
            name = entry.name.removesuffix(_ENDING)
            yield load_quirk(entry.read_text("utf-8"), name=name, file=str(entry))


def deviations_for(maker: str = "", model: str = "") -> Deviations:
    """What is known of a make and model; the standard when nothing is.

    Raises:
        LocalError: two quirks that match contradict each other.
    """
    return _together(quirk for quirk in quirks().values() if quirk.matches(maker, model))


def deviations_named(names: Iterable[str]) -> Deviations:
    """The named quirks together.

    Raises:
        LocalError: a name is unknown (with the nearest known one), or two contradict each other.
    """
    known = quirks()
    chosen: list[Quirk] = []
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise LocalError(f"no quirk {name!r}; {hint}")
        chosen.append(known[name])
    return _together(chosen)


def _together(chosen: Iterable[Quirk]) -> Deviations:
    settings: dict[str, Any] = {}
    said_by: dict[str, str] = {}
    for quirk in chosen:
        for key, value in quirk.settings.items():
            if settings.setdefault(key, value) != value:
                raise LocalError(f"quirks {said_by[key]} and {quirk.name} differ on {key}")
            said_by[key] = quirk.name
    return replace(STANDARD, **settings)
