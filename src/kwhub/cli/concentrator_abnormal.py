"""``kwhub concentrator abnormal``: which meters are abnormal now, since when, and why."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from kwhub.cli.concentrator_ledger import store_of
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.devices import abnormal_words
from kwhub.concentrator.events_notes import Abnormal, Notes
from kwhub.concentrator.ledger import open_to_read

__all__ = ["show_abnormal"]


def show_abnormal(
    path: Path,
    *,
    zone: str = "Asia/Shanghai",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show which meters are abnormal now: silent, clock off, phases reversed or lost, covers open.

    The store is only read; the service may be running. Exit code 1: some are. Example:

        kwhub concentrator abnormal concentrator.toml

    Parameters
    ----------
    path
        The settings of the concentrator, or its store.
    zone
        Time zone of a store that is given without settings.
    """
    store, where = store_of(path, zone)
    with closing(open_to_read(str(store))) as database:
        archive = Archive(database)
        addresses = {record.point: record.address for record in archive.records()}
        found = [each for each in Notes(database, archive).abnormal() if each.point in addresses]
    if json:
        print_json({"abnormal": [_as_json(each, addresses[each.point]) for each in found]})
    elif pick_language(language) == EN:
        _print(found, addresses, where, ("Point", "Meter", "What", "Since", "Details"), 0)
    else:
        _print(found, addresses, where, ("测量点", "表地址", "异常", "起始时间", "说明"), 1)
    return Exit.NO if found else Exit.OK


def _as_json(each: Abnormal, address: str) -> dict[str, Any]:
    english, chinese, _ = abnormal_words(each.kind, each.detail)
    return {
        "point": each.point,
        "address": address,
        "kind": each.kind,
        "english": english,
        "chinese": chinese,
        "detail": each.detail,
        "since": datetime.fromtimestamp(each.since, UTC).isoformat().replace("+00:00", "Z"),
    }


def _print(
    found: Sequence[Abnormal],
    addresses: Mapping[int, str],
    zone: tzinfo,
    headings: tuple[str, ...],
    language: int,
) -> None:
    if not found:
        say(("No meter is abnormal.", "没有异常电表。")[language])
        return
    rows = []
    for each in found:
        *words, detail = abnormal_words(each.kind, each.detail)
        since = f"{datetime.fromtimestamp(each.since, zone):%Y-%m-%d %H:%M}"
        rows.append((str(each.point), addresses[each.point], words[language], since, detail))
    print_table(headings, rows, right=(0,))
