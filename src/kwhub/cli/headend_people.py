"""``kwhub headend user`` and ``kwhub headend audit``: people and the trail of what they did, from the machine itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.domain.errors import LocalError
from kwhub.headend import config as headend_config
from kwhub.headend.people import trail
from kwhub.headend.people.anchors import Anchors
from kwhub.headend.people.staff import Staff
from kwhub.headend.people.user_rows import EVERYWHERE, Grant
from kwhub.headend.store.database import Database
from kwhub.runtime.clock import SystemClock

__all__ = ["add_user", "disable_user", "list_users", "reset_user", "verify_trail"]

RoleName: TypeAlias = Literal["viewer", "operator", "engineer", "vendor", "auditor", "admin"]
Config: TypeAlias = Annotated[Path, Parameter(help="The settings of the head-end, a TOML file.")]
Name: TypeAlias = Annotated[str, Parameter(help="Name for the log-in.")]

WORDS = {
    "en": {
        "link": "Open this link once to set the password of {name} (valid for one day):\n{link}",
        "disabled": "{name} is disabled; all sessions ended.",
        "name": "name",
        "shown": "shown as",
        "active": "active",
        "roles": "roles",
        "last": "last log-in",
        "yes": "yes",
        "no": "no",
        "whole": "The trail is whole. Note its head elsewhere: {head}",
        "row": "row",
        "finding": "finding",
        "changed": "does not fit its digest: it, or what was before it, was changed",
        "missing": "rows before it are gone",
        "head": "the end of the trail is not where its head says",
        "noted": "is not what was noted",
        "anchor": "is not what was signed",
        "signature": "its anchor was not signed with this key",
    },
    "zh": {
        "link": "请打开以下链接（一天内有效，只能使用一次），为 {name} 设置密码：\n{link}",
        "disabled": "{name} 已停用，所有会话已结束。",
        "name": "用户名",
        "shown": "显示名",
        "active": "启用",
        "roles": "角色",
        "last": "上次登录",
        "yes": "是",
        "no": "否",
        "whole": "审计记录完整。请将其末尾摘要记录在别处：{head}",
        "row": "行",
        "finding": "问题",
        "changed": "与摘要不符：本行或其前的内容被更改",
        "missing": "其前有记录被删除",
        "head": "记录末尾与所存摘要不一致",
        "noted": "与所记的摘要不符",
        "anchor": "与签名时不符",
        "signature": "锚点不是用此密钥签名的",
    },
}


def add_user(
    config: Config,
    name: Name,
    *,
    role: tuple[RoleName, ...] = ("viewer",),
    organisation: tuple[str, ...] = (),
    shown: str = "",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Add a user, and print a one-time link by which the password is set.

    The link works for one day. Example:

        kwhub headend user add headend.toml anna --role operator

    Parameters
    ----------
    role
        What the user may do; may be given several times.
    organisation
        Code of the organisation where the roles hold, with those below it; by default everywhere.
    shown
        The name as others see it.
    """
    settings = headend_config.load(config)
    with _staff(settings) as staff:
        known = {text.split(" ")[0]: number for number, text in staff.organisations().items()}
        if unknown := [code for code in organisation if code not in known]:
            raise LocalError(f"there is no organisation {unknown[0]!r}")
        places = [known[code] for code in organisation] or [EVERYWHERE]
        grants = [Grant(each, place) for each in role for place in places]
        user, secret = staff.add(name, shown, grants)
    _print_link(settings, user.name, secret, json=json, language=language)
    return Exit.OK


def list_users(config: Config, *, json: JsonFlag = False, language: LanguageOption = None) -> int:
    """List the users with their roles.

    Disabled ones too. Example:

        kwhub headend user list headend.toml
    """
    words = WORDS[pick_language(language)]
    with _staff(headend_config.load(config)) as staff:
        users, places = staff.users(), staff.organisations()
    rows = [
        {
            "name": user.name,
            "shown": user.shown_name,
            "active": user.active,
            "roles": [_role(each, places) for each in user.grants],
            "last": user.signed_in_at,
        }
        for user in users
    ]
    if json:
        print_json(rows)
        return Exit.OK
    columns = ("name", "shown", "active", "roles", "last")
    print_table(
        [words[each] for each in columns],
        [
            (
                user.name,
                user.shown_name,
                words["yes" if user.active else "no"],
                ", ".join(_role(each, places) for each in user.grants),
                f"{user.signed_in_at:%Y-%m-%d %H:%M} UTC" if user.signed_in_at else "—",
            )
            for user in users
        ],
    )
    return Exit.OK


def disable_user(
    config: Config, name: Name, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Disable a user and end all sessions.

    What the user did stays in the trail. Example:

        kwhub headend user disable headend.toml anna
    """
    with _staff(headend_config.load(config)) as staff:
        user = staff.named(name)
        staff.set_active(user.id, active=False)
    if json:
        print_json({"name": user.name, "active": False})
    else:
        say(WORDS[pick_language(language)]["disabled"].format(name=user.name))
    return Exit.OK


def reset_user(
    config: Config, name: Name, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Print a one-time link by which a user sets a new password.

    It also enables a disabled user. Example:

        kwhub headend user reset headend.toml anna
    """
    settings = headend_config.load(config)
    with _staff(settings) as staff:
        user = staff.named(name)
        if not user.active:
            staff.set_active(user.id, active=True)
        secret = staff.reset(user.id)
    _print_link(settings, user.name, secret, json=json, language=language)
    return Exit.OK


def verify_trail(
    config: Config,
    *,
    noted: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Verify the audit trail: every row, its end, and the anchors. Exit code 1: something does not fit.

    Note the head that it prints in another place; with ``--noted`` it is found out later whether the
    trail was computed anew or cut off since. Example:

        kwhub headend audit verify headend.toml

    Parameters
    ----------
    noted
        A head that was noted before, ``number:digest``; may be given several times.
    """
    words = WORDS[pick_language(language)]
    heads = [trail.Head.parse(each) for each in noted]
    settings = headend_config.load(config)
    database = Database(settings.headend.store)
    try:
        with database.read() as connection:
            found = list(trail.verify(connection, heads))
            if settings.access.trail_key:
                found += Anchors(settings.access.trail_key).verify(connection)
            now = trail.head(connection)
    finally:
        database.close()
    if json:
        told = [{"row": each.audit_id, "finding": each.kind} for each in found]
        print_json({"whole": not found, "head": str(now), "findings": told})
    elif found:
        rows = [(str(each.audit_id), words[each.kind]) for each in found]
        print_table([words["row"], words["finding"]], rows)
    else:
        say(words["whole"].format(head=now))
    return Exit.NO if found else Exit.OK


@contextmanager
def _staff(settings: headend_config.Config) -> Iterator[Staff]:
    database = Database(settings.headend.store)
    try:
        yield Staff(database, settings.access, SystemClock())
    finally:
        database.close()


def _role(grant: Grant, places: dict[int, str]) -> str:
    if grant.organisation_id == EVERYWHERE:
        return grant.role
    return f"{grant.role} @ {places.get(grant.organisation_id, grant.organisation_id)}"


def _print_link(
    settings: headend_config.Config,
    name: str,
    secret: str,
    *,
    json: bool,
    language: LanguageOption,
) -> None:
    link = f"http://{settings.headend.web}/reset/{secret}"
    if json:
        print_json({"name": name, "link": link})
    else:
        say(WORDS[pick_language(language)]["link"].format(name=name, link=link))
