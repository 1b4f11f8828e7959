"""``kwhub bench infrared``: measure infrared ports and judge them by limits."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from cyclopts import Parameter

from kwhub.bench.batch import Job, Store, read_jobs, run_batch
from kwhub.bench.configuration import build_bench, load_instruments
from kwhub.bench.device_model import FAULTS
from kwhub.bench.evidence import Evidence, load_evidence
from kwhub.bench.instruments import Bench
from kwhub.bench.limits import DEFAULT, LimitFile, known_limits, load_limits
from kwhub.bench.procedure import Configuration, examine
from kwhub.bench.results import BAD, MeterResult
from kwhub.bench.scpi import Connection
from kwhub.bench.simulated import SimulatedBench, simulated_bench
from kwhub.bench.words import NAMES, VERDICTS, bounds, number, plus_minus
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
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import LocalError
from kwhub.runtime.clock import SystemClock

__all__ = ["DeviceReports", "bench_infrared"]

DeviceReports: TypeAlias = Literal["all", "failed", "none"]
PUBLISHED: Final = "000000000038"
FAULT_NAMES: Final = ", ".join([*FAULTS, "mute"])
HEADINGS: Final = {
    EN: ("quantity", "value", "±", "unit", "limit", "verdict"),
    ZH: ("项目", "测量值", "±", "单位", "限值", "结论"),
}


async def bench_infrared(
    *,
    simulate: Annotated[bool, Parameter(negative="", help="Simulated bench and devices.")] = False,
    instruments: Annotated[Path | None, Parameter(help="Real instruments, a TOML file.")] = None,
    serial: Annotated[str, Parameter(help="Of the one device on the bench.")] = PUBLISHED,
    batch: Annotated[
        Path | None, Parameter(help="Many devices: a list, or CSV with serial and pallet.")
    ] = None,
    limits: Annotated[
        str, Parameter(help=f"{', '.join(known_limits())}, or a .toml file.")
    ] = DEFAULT,
    report: Annotated[
        Path | None, Parameter(help="Folder for results, raw data and reports; goes on there.")
    ] = None,
    device_reports: Annotated[
        DeviceReports, Parameter(help="Which devices of a batch get a report of their own.")
    ] = "failed",
    seed: Annotated[int, Parameter(help="The same seed gives the same simulated devices.")] = 1,
    fault: Annotated[
        str | None, Parameter(help=f"Of every simulated device: {FAULT_NAMES}.")
    ] = None,
    faulty: Annotated[float, Parameter(help="Share of simulated devices with some fault.")] = 0.0,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Measure the infrared port of one meter or of many, and judge it by limits.

    Carrier, duty, jitter, wavelength, turn-round time, byte gaps, response distance and angle,
    daylight, lamps and a second transmitter. The exit code is 1 when a device fails. A batch that
    was stopped goes on where it stopped when it is called again. Example:

        kwhub bench infrared --simulate --fault slow
        kwhub bench infrared --instruments bench.toml --batch pallet7.csv --report pallet7
    """
    cancel_on_terminate()
    _check(simulate=simulate, instruments=instruments, batch=batch, report=report)
    if not 0 <= faulty <= 1:
        raise LocalError("--faulty is a share from 0 to 1")
    jobs = [Job(serial)] if batch is None else read_jobs(batch)
    chosen = load_limits(limits)
    bench, configuration, connections = _prepared(chosen, instruments, seed, fault, faulty)
    run = _Run(bench, configuration, pick_language(language), json=json)
    try:
        if batch is None:
            return await run.one(jobs[0], report)
        assert report is not None  # noqa: S101 - _check refused it
        return await run.many(jobs, Store(report), device_reports)
    finally:
        for connection in connections:
            await connection.aclose()


def _prepared(
    chosen: LimitFile, instruments: Path | None, seed: int, fault: str | None, faulty: float
) -> tuple[Bench, Configuration, list[Connection]]:
    """The bench, what the results depend on, and the connections to close."""
    if instruments is None:
        simulated = simulated_bench(SimulatedBench(seed=seed, faulty=faulty, fault=fault))
        setting: dict[str, object] = {"fault": fault, "faulty": faulty}
        return simulated, Configuration(chosen, simulated=True, seed=seed, setting=setting), []
    file = load_instruments(instruments)
    bench, connections = build_bench(file, SystemClock())
    setting = {"instruments": msgspec.to_builtins(file)}
    return bench, Configuration(chosen, simulated=False, setting=setting), connections


def _check(
    *, simulate: bool, instruments: Path | None, batch: Path | None, report: Path | None
) -> None:
    if simulate == (instruments is not None):
        raise LocalError("choose the bench: --simulate, or --instruments FILE.toml")
    if batch is not None and report is None:
        raise LocalError("--batch needs --report FOLDER, where the results are kept")


class _Run:
    def __init__(
        self, bench: Bench, configuration: Configuration, language: Language, *, json: bool
    ) -> None:
        self.bench = bench
        self.configuration = configuration
        self.language = language
        self.json = json

    async def one(self, job: Job, folder: Path | None) -> int:
        store = None if folder is None else Store(folder)
        if store is not None:
            store.claim(self.configuration)
        result, evidence = await self._examine(job, many=False)
        files: list[str] = []
        if store is not None:
            result = store.keep(result, evidence)
            files = self._report(result, evidence, store.folder / job.serial)
        if self.json:
            print_json(msgspec.to_builtins(result) | {"reports": files})
        else:
            _show(result, self.language)
            for name in files:
                say(name)
        return Exit.OK if result.verdict == "pass" else Exit.NO

    async def many(self, jobs: Sequence[Job], store: Store, reports: DeviceReports) -> int:
        store.claim(self.configuration)
        told = 0

        def progress(job: Job, result: MeterResult, fresh: bool) -> None:  # noqa: FBT001 - a call-back
            nonlocal told
            told += 1
            self._progress(job, result, (told, len(jobs)), fresh=fresh)

        async def measure(job: Job) -> tuple[MeterResult, Evidence]:
            return await self._examine(job, many=True)

        results = await run_batch(jobs, store, measure, progress)
        files = self._batch_reports(results, store, reports)
        passed = sum(result.verdict == "pass" for result in results)
        if self.json:
            print_json({"devices": len(results), "passed": passed, "reports": files})
        else:
            words = (
                f"{passed} of {len(results)} devices passed"
                if self.language == EN
                else f"{len(results)} 只表中 {passed} 只合格"
            )
            say("\n".join([words, *files]))
        return Exit.OK if passed == len(results) else Exit.NO

    async def _examine(self, job: Job, *, many: bool) -> tuple[MeterResult, Evidence]:
        if self.bench.loader is not None:
            await self.bench.loader.load(job.serial)
        elif many:
            await self._place(job)
        return await examine(
            self.bench, self.configuration, SystemClock(), serial=job.serial, pallet=job.pallet
        )

    async def _place(self, job: Job) -> None:
        """Without a loader somebody has to place each device."""
        if not sys.stdin.isatty():
            raise LocalError(
                "the bench has no loader, and nobody is at the terminal to place meters"
            )
        place, then = (
            ("Place meter", "and press Enter")
            if self.language == EN
            else ("请放置电能表", "后按回车")
        )
        say(f"{place} {job.serial} {then}")
        await asyncio.to_thread(sys.stdin.readline)

    def _progress(
        self, job: Job, result: MeterResult, count: tuple[int, int], *, fresh: bool
    ) -> None:
        bad = [one.key for one in result.measurements if one.verdict in BAD]
        if self.json:
            row: dict[str, Any] = {"serial": job.serial, "verdict": result.verdict, "new": fresh}
            print_json(row | {"failing": bad, "count": count[0], "of": count[1]})
            return
        zh = self.language == ZH
        names = ", ".join(NAMES[key][zh] for key in bad)
        old = "" if fresh else ("（已测）" if zh else " (measured before)")
        say(
            f"{count[0]}/{count[1]}  {job.serial}  {VERDICTS[result.verdict][zh]}{old}  {names}".rstrip()
        )

    def _batch_reports(
        self, results: Sequence[MeterResult], store: Store, reports: DeviceReports
    ) -> list[str]:
        from kwhub.bench.report import batch_html, write_report  # noqa: PLC0415 - takes a second

        wanted = [
            result
            for result in results
            if reports == "all" or (reports == "failed" and result.verdict != "pass")
        ]
        if wanted:
            (store.folder / "devices").mkdir(exist_ok=True)
        for result in wanted:
            evidence = load_evidence(store.evidence_of(result.serial))
            self._report(result, evidence, store.folder / "devices" / result.serial)
        linked = [result.serial for result in wanted]
        html = batch_html(results, self._limits, self.language, linked)
        return [str(path) for path in write_report(html, store.folder / "report")]

    def _report(self, result: MeterResult, evidence: Evidence, path: Path) -> list[str]:
        from kwhub.bench.report import device_html, write_report  # noqa: PLC0415 - as above

        html = device_html(result, evidence, self._limits, self.language)
        return [str(written) for written in write_report(html, path)]

    @property
    def _limits(self) -> LimitFile:
        return self.configuration.limits


def _show(result: MeterResult, language: Language) -> None:
    zh = language == ZH
    rows = [
        (
            NAMES[one.key][zh],
            f"{'≥ ' if one.at_bound else ''}{number(one.value)}",
            plus_minus(one),
            one.unit,
            bounds(one.limit),
            VERDICTS[one.verdict][zh] + (" *" if one.close else ""),
        )
        for one in result.measurements
    ]
    say(
        f"{result.serial}: {VERDICTS[result.verdict][zh]}  ({result.limits}, {result.configuration})"
    )
    print_table(HEADINGS[language], rows, right=(1, 2, 4))
    for one in result.measurements:
        note = one.note_zh if zh else one.note
        if note and one.verdict not in ("pass", "info"):
            say(f"{NAMES[one.key][zh]}: {note}")
