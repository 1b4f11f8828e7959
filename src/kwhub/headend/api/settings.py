"""Settings over the API: those in force, and changing what may change while the head-end runs."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from litestar import get, patch
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException, ValidationException
from litestar.params import JSONBody
from msgspec import Struct, structs, to_builtins

from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.choices import CHANGEABLE, WrongChoice
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.told import without_secrets

__all__ = [
    "FILE_TABLES",
    "ROUTES",
    "Changes",
    "Setting",
    "all_settings",
    "change_settings",
    "everywhere",
    "fixed",
]

FILE_TABLES = ("headend", "limits", "access", "orders", "devices", "vending")
"""Tables of the settings file that are told as they were read at the start, but for what may be changed."""


class Setting(Struct):
    """One setting in force; secrets are told as ``(left out)``."""

    name: str
    value: Any
    source: str  #: default, file or chosen
    changeable: bool  #: while the head-end runs
    chosen_at: datetime | None = None
    chosen_by: str = ""


class Changes(Struct, forbid_unknown_fields=True):
    """Values by name, such as ``{"retention.events_days": 400}``; the file's own value takes a choice back."""

    values: dict[str, str | int | float]


@get("/settings", sync_to_thread=True, opt=needs(Right.SETTINGS))
def all_settings(site: NamedDependency[Site], caller: NamedDependency[Caller]) -> Items[Setting]:
    """Every setting, its value and where it comes from."""
    everywhere(caller)
    return Items(
        [*_chosen(site), *(each for table in FILE_TABLES for each in fixed(site, table))], None
    )


@patch("/settings", sync_to_thread=True, opt=needs(Right.SETTINGS))
def change_settings(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[Changes]
) -> Items[Setting]:
    """Change settings; they hold at once. A shorter retention deletes data within a day."""
    everywhere(caller)
    try:
        site.choices.change(data.values, caller.name)
    except WrongChoice as error:
        raise ValidationException(str(error)) from error
    return Items(list(_chosen(site)), None)


def everywhere(caller: Caller) -> None:
    """The service is everybody's: whoever changes it has the right everywhere. Raises PermissionDeniedException."""
    if caller.organisations(Right.SETTINGS) is not None:
        raise PermissionDeniedException("settings need the right in all organisations")


def fixed(site: Site, table: str) -> Iterator[Setting]:
    """The settings of a table of the file that hold from start to end; nothing where the table is left out."""
    own = getattr(site.config, table)
    if own is None:
        return
    for each in structs.fields(own):
        if each.name in CHANGEABLE.get(table, ()):
            continue
        value = getattr(own, each.name)
        source = "default" if value == each.default else "file"
        told = without_secrets(each.name, to_builtins(value))
        yield Setting(f"{table}.{each.name}", told, source, changeable=False)


def _chosen(site: Site) -> Iterator[Setting]:
    for each in site.choices.listed():
        source = "chosen" if each.at else "default" if each.is_default else "file"
        yield Setting(each.name, each.value, source, True, each.at, each.who)  # noqa: FBT003


ROUTES = (all_settings, change_settings)
