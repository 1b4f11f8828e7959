"""``kwhub bench bluetooth``: how well Bluetooth links talk over a seeded radio, judged by limits."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.bench.bluetooth import BluetoothResult, measure
from kwhub.bench.bluetooth_limits_file import (
    BLUETOOTH_DEFAULT,
    BluetoothLimits,
    known_bluetooth_limits,
    load_bluetooth_limits,
)
from kwhub.cli.output import (
    EN,
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)

__all__ = ["bench_bluetooth"]

SIDES = {EN: ("links", "m", "made"), ZH: ("主机x从机", "m", "链路")}
FIGURES = {
    EN: ("reads/s", "p50 ms", "p95 ms", "p99 ms", "lost %", "kB/s", "back s"),
    ZH: ("读数/秒", "p50 ms", "p95 ms", "p99 ms", "丢失 %", "kB/s", "重连 s"),
}
"""The figures of a link in the order of the limits' keys; short, so that a row fits on a screen."""
VERDICT = {"pass": ("passed", "合格"), "fail": ("failed", "不合格")}


async def bench_bluetooth(
    *,
    limits: Annotated[
        str, Parameter(help=f"{', '.join(known_bluetooth_limits())}, or a .toml file.")
    ] = BLUETOOTH_DEFAULT,
    distance: Annotated[
        float | None, Parameter(validator=Number(gte=1, lte=500), help="This one alone, in metres.")
    ] = None,
    report: Annotated[
        Path | None, Parameter(help="Name of the report; .html and .pdf are added.")
    ] = None,
    seed: Annotated[int, Parameter(help="The same seed gives the same losses.")] = 1,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Measure Bluetooth links of several masters and slaves over a simulated radio, and judge them.

    Readings a second, latency, loss, throughput and time to be back after a cut, for each size and
    distance that the limits name; distance, interference, path loss and supervision time-out are
    those of the limits. It runs on virtual time. The exit code is 1 beyond a limit. Example:

        kwhub bench bluetooth --distance 10
        kwhub bench bluetooth --limits courtyard --report courtyard
    """
    spoken = pick_language(language)
    chosen = load_bluetooth_limits(limits)
    if distance is not None:
        chosen = msgspec.structs.replace(chosen, distances_m=(distance,))
    result = await asyncio.to_thread(measure, chosen, seed)
    files = _report(result, chosen, report, spoken) if report is not None else []
    if json:
        row: dict[str, Any] = msgspec.to_builtins(result)
        print_json(row | {"verdict": result.verdict, "files": files})
    else:
        _show(result, files, spoken)
    return Exit.OK if result.verdict == "pass" else Exit.NO


def _report(
    result: BluetoothResult, limits: BluetoothLimits, path: Path, language: Language
) -> list[str]:
    from kwhub.bench.bluetooth_report import bluetooth_html  # noqa: PLC0415 - takes a second
    from kwhub.bench.report import write_report  # noqa: PLC0415 - as above

    return [str(each) for each in write_report(bluetooth_html(result, limits, language), path)]


def _show(result: BluetoothResult, files: list[str], language: Language) -> None:
    from kwhub.bench.bluetooth_report import figure_text  # noqa: PLC0415 - as above

    zh = language == ZH
    headings = (*SIDES[language], *FIGURES[language])
    rows = [
        (
            f"{cell.masters} x {cell.slaves}",
            f"{cell.distance_m:g}",
            str(cell.connected),
            *(figure_text(one) + (" !" if one.verdict == "fail" else "") for one in row),
        )
        for cell, row in zip(result.cells, result.judged, strict=True)
    ]
    print_table(headings, rows, right=tuple(range(1, len(headings))), whole=(0,))
    say(VERDICT[result.verdict][zh])
    for each in files:
        say(each)
