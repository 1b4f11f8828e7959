"""``kwhub simulate area``: days of a whole area on virtual time, with everything that goes wrong."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.area_file import load_area
from kwhub.cli.area_judge import Judged
from kwhub.cli.area_play import play_area
from kwhub.cli.area_world import AreaWorld
from kwhub.cli.folders import folder_for_stores
from kwhub.cli.logs import configure
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.playing import playing
from kwhub.cli.signals import interrupt_on_terminate
from kwhub.concentrator.ledger_causes import CAUSES, Cause

__all__ = ["simulate_area"]

FIRST_MOMENT = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""Midnight in China at the beginning of Monday 2 March 2026, so that every run is the same."""

WORDS = {
    "en": {
        "got": "{got:,} of {expected:,} planned values came; {recoverable:,} could be had ({rate:.4%}).",
        "missing": "{count:,} missing: {cause}",
        "above": "The head-end has {same:,} of them; {absent:,} did not arrive, {different:,} differ, "
        "{twice:,} came twice; {again:,} had to be sent again, because a confirmation was lost.",
        "cuts": "{cuts} power cuts, {frames:,} frames.",
    },
    "zh": {
        "got": "计划 {expected:,} 点，实采 {got:,} 点；可采 {recoverable:,} 点（{rate:.4%}）。",
        "missing": "缺 {count:,} 点：{cause}",
        "above": "主站已存 {same:,} 点；未到 {absent:,} 点，不符 {different:,} 点，重复 {twice:,} 点；因确认丢失重发 {again:,} 点。",
        "cuts": "停电 {cuts} 次，报文 {frames:,} 帧。",
    },
}


def simulate_area(
    file: Path,
    *,
    days: Annotated[int, Parameter(validator=Number(gte=1, lte=60))] = 3,
    seed: Annotated[int, Parameter(help="The same seed gives the same outcome.")] = 1,
    keep: Annotated[
        Path | None, Parameter(help="Folder in which both stores are left; otherwise forgotten.")
    ] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Play days of an area with the real concentrator and head-end, and judge what arrived.

    The exit code is 1 when a value that could be had is missing, came twice or changed on its way, or when
    something is missing without a cause. Example:

        kwhub simulate area deploy/examples/area.toml --days 3 --seed 7 --json

    Parameters
    ----------
    file
        What hangs below the concentrator and what goes wrong when: see the settings reference.
    days
        How many days are played.
    """
    area = load_area(file)
    spoken = pick_language(language)
    configure("error")
    interrupt_on_terminate()
    with folder_for_stores(keep) as folder:
        world = AreaWorld(area, seed, start=FIRST_MOMENT, folder=folder)
        meters = len(world.wired.places) + len(world.mbus) + len(world.behind)
        with playing(spoken, days, meters) as told:
            judged = play_area(
                world,
                start=FIRST_MOMENT,
                stop=FIRST_MOMENT + timedelta(days=days),
                afterwards=timedelta(hours=3),
                told=told,
            )
    if json:
        print_json(_as_json(judged, days, seed))
    else:
        _show(judged, spoken)
    return Exit.OK if judged.passed else Exit.NO


def _as_json(judged: Judged, days: int, seed: int) -> dict[str, Any]:
    facts = asdict(judged)
    return {
        "days": days,
        "seed": seed,
        **facts,
        "completeness": round(judged.completeness, 6),
        "passed": judged.passed,
    }


def _show(judged: Judged, language: Language) -> None:
    words = WORDS[language]
    say(
        words["got"].format(
            got=judged.got,
            expected=judged.expected,
            recoverable=judged.recoverable,
            rate=judged.completeness,
        )
    )
    for cause, count in judged.missing.items():
        english, chinese = CAUSES[Cause(cause)]
        told = chinese if language == "zh" else english
        say(words["missing"].format(count=count, cause=told))
    say(
        words["above"].format(
            same=judged.at_headend,
            absent=judged.not_at_headend,
            different=judged.different,
            twice=judged.duplicates,
            again=judged.repeated,
        )
    )
    say(words["cuts"].format(cuts=judged.power_cuts, frames=judged.frames))
