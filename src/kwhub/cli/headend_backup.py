"""``kwhub headend backup`` and ``kwhub headend restore``: the store and the books of sales as one file, and back again."""

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
        "files": "Books of sales with it: {names}. Keys in files of their own are not in it.",
        "no_files": "No books of sales are in it. Keys in files of their own are not in it.",
    },
    "zh": {
        "backup": "已将 {tables} 个表的 {rows} 行备份到 {file}。",
        "restore": "已恢复 {tables} 个表的 {rows} 行，行数与校验均正确。",
        "files": "其中含售电账簿：{names}。单独存放的密钥文件不在其中。",
        "no_files": "其中不含售电账簿。单独存放的密钥文件不在其中。",
    },
}


async def backup_store(
    config: Config, file: Path, *, json: JsonFlag = False, lang: LanguageOption = None
) -> int:
    """Write the store and the books of sales into one file, in one snapshot; the head-end may be at work meanwhile.

    Of `[vending]` the ledger and the book of what was signed are in it; keys in files of their own are not.
    The file fits SQLite and PostgreSQL alike. It holds everything, also what must stay secret. Example:

        kwhub headend backup headend.toml headend.zip

    Parameters
    ----------
    file
        The new file; one that is there already is not overwritten.
    """
    settings = headend_config.load(config)
    database = Database(settings.headend.store)
    try:
        done = back_up(database, file, _books(settings))
    finally:
        database.close()
    return _tell("backup", done, file, json=json, lang=lang)


async def restore_store(
    config: Config, file: Path, *, json: JsonFlag = False, lang: LanguageOption = None
) -> int:
    """Fill the empty store of the settings from a backup, all of it or nothing; books of sales come to their places.

    Stop the head-end first. A store with rows is refused: name a new one in the settings. Example:

        kwhub headend restore headend.toml headend.zip

    Parameters
    ----------
    file
        The backup.
    """
    settings = headend_config.load(config)
    database = Database(settings.headend.store)
    try:
        done = restore(database, file, _books(settings))
    finally:
        database.close()
    return _tell("restore", done, file, json=json, lang=lang)


def _books(settings: headend_config.Config) -> dict[str, Path]:
    """What is sold lies in files beside the store."""
    vending = settings.vending
    if vending is None:
        return {}
    return {"ledger": Path(vending.ledger), "book": Path(vending.book)}


def _tell(what: str, done: Copied, file: Path, *, json: bool, lang: LanguageOption) -> int:
    if json:
        told = {"tables": done.tables, "rows": done.rows, "revision": done.revision}
        print_json({**told, "files": list(done.files)})
    else:
        words = WORDS[pick_language(lang)]
        say(words[what].format(rows=done.rows, tables=done.tables, file=file))
        say(words["files"].format(names=", ".join(done.files)) if done.files else words["no_files"])
    return Exit.OK
