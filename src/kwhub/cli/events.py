"""``kwhub events``: what has happened to a meter, by its own records."""

import asyncio
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.changing import Place, talk
from kwhub.cli.events_show import Happened, as_json, print_csv, show
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    complain,
    pick_language,
    print_json,
)
from kwhub.cli.read import AttemptsOption, CsvFlag, MeterOption, WaitOption
from kwhub.cli.read_show import progress
from kwhub.domain.errors import LocalError, NoAnswer
from kwhub.exchange.events import EVENTS, RECORDS_KEPT, read_events
from kwhub.links.drive import ATTEMPTS

__all__ = ["events"]

KindsOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--kind",
        help="Only this kind, such as power_down, relay_trip, clock_set; may be repeated.",
        negative_iterable="",
    ),
]
RecordsOption: TypeAlias = Annotated[
    int,
    Parameter(
        name="--records",
        validator=Number(gte=0, lte=RECORDS_KEPT),
        help="Records of each kind and phase, newest first; 0 reads the counters alone.",
    ),
]
DetailsFlag: TypeAlias = Annotated[
    bool, Parameter(name="--details", negative="", help="Print every value of every record.")
]


def events(
    link: str,
    *,
    meter: MeterOption = None,
    kind: KindsOption = (),
    records: RecordsOption = RECORDS_KEPT,
    details: DetailsFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    csv: CsvFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """List the events that a DL/T 645-2007 meter has recorded: how often, when, and with what.

    Only records that there are get read. The exit code is 1 when the meter does not keep a kind
    that was asked for, 3 when it was silent. Example:

        kwhub events tcp:127.0.0.1:6450 --meter 000000000038 --kind power_down --kind relay_trip

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    """
    if csv and json:
        raise LocalError("--csv or --json, not both")
    unknown = [name for name in kind if name not in EVENTS]
    if unknown:
        raise LocalError(f"no event {unknown[0]!r}; there are {', '.join(EVENTS)}")
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts)
    wanted = tuple(dict.fromkeys(kind)) or tuple(EVENTS)
    with progress(spoken) as told:
        talked = asyncio.run(
            talk(place, lambda address: read_events(address, wanted, records, told))
        )
    found = Happened(talked.address, talked.result, talked.line)
    if json:
        print_json(as_json(found))
    elif csv:
        print_csv(found, spoken)
    else:
        show(found, spoken, details=details, by_name=bool(kind))
    silent = [log.error for log in found.logs if isinstance(log.error, NoAnswer)]
    if silent:
        complain(str(silent[0]))
        return Exit.LINK
    wrong = any(log.error is not None for log in found.logs)
    return Exit.NO if kind and wrong else Exit.OK
