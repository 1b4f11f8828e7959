"""``kwhub headend backup`` and ``kwhub headend restore``: the whole store as one file, and back again."""

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kwhub.cli.output import Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.headend import config as headend_config
from kwhub.headend.store.backup import Copied, back_up, restore
from kwhub.headend.store.database import Database

__all__ = ["backup_store", "restore_store"]

Config: TypeAlias = Annotated[Path, Parameter(help="The settings of the head-end, a TOML file.")]

WORDS = {
    "en": {
        "backup": "{rows} rows of {tables} tables are in {file}.",
        "restore": "{rows} rows of {tables} tables are restored, counted and checked.",
    },
    "zh": {
        "backup": "已将 {tables} 个表的 {rows} 行备份到 {file}。",
        "restore": "已恢复 {tables} 个表的 {rows} 行，行数与校验均正确。",
    },
}


async def backup_store(
    config: Config, file: Path, *, json: JsonFlag = False, lang: LanguageOption = None
) -> int:
    """Write the whole store into one file, in one snapshot; the head-end may be at work meanwhile.

    The file fits SQLite and PostgreSQL alike. It holds everything, also what must stay secret. Example:

        kwhub headend backup headend.toml headend.zip

    Parameters
    ----------
    file
        The new file; one that is there already is not overwritten.
    """
    database = Database(headend_config.load(config).headend.store)
    try:
        done = back_up(database, file)
    finally:
        database.close()
    return _tell("backup", done, file, json=json, lang=lang)


async def restore_store(
    config: Config, file: Path, *, json: JsonFlag = False, lang: LanguageOption = None
) -> int:
    """Fill the empty store of the settings from a backup, all of it or nothing.

    Stop the head-end first. A store with rows is refused: name a new one in the settings. Example:

        kwhub headend restore headend.toml headend.zip

    Parameters
    ----------
    file
        The backup.
    """
    database = Database(headend_config.load(config).headend.store)
    try:
        done = restore(database, file)
    finally:
        database.close()
    return _tell("restore", done, file, json=json, lang=lang)


def _tell(what: str, done: Copied, file: Path, *, json: bool, lang: LanguageOption) -> int:
    if json:
        print_json({"tables": done.tables, "rows": done.rows, "revision": done.revision})
    else:
        words = WORDS[pick_language(lang)]
        say(words[what].format(rows=done.rows, tables=done.tables, file=file))
    return Exit.OK
