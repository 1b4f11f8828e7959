"""Conversations with a local module: start, archive, registration, pause and resume.

Source: Q/GDW 1376.2-2013, annex A (flows), read in the text of Q/GDW 10376.2-2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from kwhub.domain.errors import KwhubError, NoAnswer, Refusal, SequenceError
from kwhub.domain.machine import Conversation
from kwhub.exchange.plc import confirmed
from kwhub.protocols.gdw1376_2 import afn_01, afn_03, afn_06, afn_10, afn_12
from kwhub.protocols.gdw1376_2.afn_03 import RunMode
from kwhub.protocols.gdw1376_2.afn_05 import SetMaster
from kwhub.protocols.gdw1376_2.afn_06 import DeviceReport, RouteReport, SlaveReport
from kwhub.protocols.gdw1376_2.afn_10 import Counts, Node, NodePage, NodeQuery, RunState
from kwhub.protocols.gdw1376_2.afn_11 import (
    AddNodes,
    DeleteNodes,
    StartRegistration,
    StopRegistration,
)
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.messages import (
    Answered,
    Await,
    Denied,
    Order,
    Request,
    Wait,
    Waited,
    order_of,
)

__all__ = [
    "Synced",
    "paused",
    "read_archive",
    "read_state",
    "register_slaves",
    "start_module",
    "sync_archive",
]

T = TypeVar("T")
U = TypeVar("U", bound=Unit)

REPORT_WAIT_S = 60.0
"""How long a module that was reset may take for its own 03-F10."""
REGISTRATION_QUIET_S = 600.0
"""Silence after which a registration may be over."""
PAGE_NODES = 20
ADD_NODES_MAX = 20
"""Nodes of one 11-F1; 141 bytes."""
SYNC_ROUNDS_MAX = 3
_MADE_ALREADY = frozenset({6, 7})
"""Denials: the meter exists already, there is no such meter."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What an archive sync did."""

    nodes: int  #: in the module now
    added: int
    deleted: int


def start_module(master: str, *, reset: bool = False) -> Conversation[RunMode]:
    """Bring a module up: hear or ask what it is, and give it our address.

    Args:
        master: address of the concentrator's node.
        reset: reset its hardware first.

    Returns:
        Its run mode, with our address in it.

    Raises:
        NoAnswer, Refusal, SequenceError: as usual.
    """
    if reset:
        yield from confirmed(Request(Order(afn_01.AFN, afn_01.HARDWARE)))
    kinds = frozenset({(afn_03.AFN, afn_03.RUN_MODE)})
    mode: Unit | None = None
    event = yield Await(kinds, REPORT_WAIT_S) if reset else Wait(0.0)
    if isinstance(event, Waited) and event.reported is not None:
        mode = event.reported.unit
    if not isinstance(mode, RunMode):
        mode = yield from _asked(Order(afn_03.AFN, afn_03.RUN_MODE), RunMode)
    if mode.master != master:
        yield from confirmed(Request(order_of(SetMaster(master))))
        mode = yield from _asked(Order(afn_03.AFN, afn_03.RUN_MODE), RunMode)
    return mode


def _asked(order: Order, kind: type[U]) -> Conversation[U]:
    """Ask the module itself for typed data."""
    event = yield Request(order)
    unit = event.unit if isinstance(event, Answered) else None
    if isinstance(unit, kind):
        return unit
    if isinstance(event, Denied):
        raise Refusal((event.words,), raw=event.raw)
    if getattr(event, "timed_out", False):
        raise NoAnswer("the module does not answer", attempts=event.attempts)
    raise SequenceError(
        f"the module answers with {type(event).__name__} that is no {kind.__name__}"
    )


def read_archive() -> Conversation[dict[str, Node]]:
    """Every slave that the module knows, by address, read in pages."""
    counts = yield from _asked(Order(afn_10.AFN, afn_10.COUNTS), Counts)
    found: dict[str, Node] = {}
    start = 1
    while start <= counts.nodes:
        page = yield from _asked(order_of(NodeQuery(start, PAGE_NODES)), NodePage)
        if not page.nodes:
            break
        found |= {node.address: node for node in page.nodes}
        start += len(page.nodes)
    return found


def sync_archive(wanted: Mapping[str, int]) -> Conversation[Synced]:
    """Make the module's archive equal to ours: delete what is too much, add what is missing, look again.

    Args:
        wanted: protocol type by address.

    Raises:
        SequenceError: the archive is still different after ``SYNC_ROUNDS_MAX`` rounds.
        Refusal, NoAnswer: as usual.
    """
    added = deleted = 0
    for _ in range(SYNC_ROUNDS_MAX):
        known = yield from read_archive()
        extra = [
            where
            for where, node in known.items()
            if where not in wanted or node.protocol != wanted[where]
        ]
        missing = [where for where in wanted if where not in known or where in extra]
        if not extra and not missing:
            return Synced(len(known), added, deleted)
        for part in _parts(extra):
            yield from _tolerant(Request(order_of(DeleteNodes(part))))
        for part in _parts(missing):
            nodes = tuple((where, wanted[where]) for where in part)
            yield from _tolerant(Request(order_of(AddNodes(nodes))))
        added, deleted = added + len(missing), deleted + len(extra)
    raise SequenceError(f"the archive differs after {SYNC_ROUNDS_MAX} rounds")


def _parts(addresses: Sequence[str]) -> list[Sequence[str]]:
    return [addresses[at : at + ADD_NODES_MAX] for at in range(0, len(addresses), ADD_NODES_MAX)]


def _tolerant(request: Request) -> Conversation[None]:
    """Ask for a change; that it was made already (a confirmation got lost) shows in the next round."""
    event = yield request
    if isinstance(event, Denied) and event.reason not in _MADE_ALREADY:
        raise Refusal((event.words,), raw=event.raw)
    if getattr(event, "timed_out", False):
        raise NoAnswer("the module does not answer", attempts=event.attempts)


def paused(conversation: Conversation[T]) -> Conversation[T]:
    """Run a conversation while the module's own work rests; it goes on afterwards, whatever happened.

    Without this the module and the concentrator fight for the line.
    """
    yield from confirmed(Request(Order(afn_12.AFN, afn_12.PAUSE)))
    try:
        result = yield from conversation
    except KwhubError:
        yield from confirmed(Request(Order(afn_12.AFN, afn_12.RESUME)))
        raise
    yield from confirmed(Request(Order(afn_12.AFN, afn_12.RESUME)))
    return result


def read_state() -> Conversation[RunState]:
    """What the route is doing."""
    return (yield from _asked(Order(afn_10.AFN, afn_10.RUN_STATE), RunState))


def register_slaves(start: datetime, minutes: int) -> Conversation[dict[str, int]]:
    """Let slaves register themselves; ends with the module's word or when it has long been quiet.

    Args:
        start: naive wall time of the site.
        minutes: how long it may take.

    Returns:
        Protocol type by address of every slave that was reported.
    """
    yield from confirmed(Request(Order(afn_12.AFN, afn_12.PAUSE)))
    yield from confirmed(Request(order_of(StartRegistration(start, minutes))))
    kinds = frozenset({(afn_06.AFN, number) for number in (1, 3, 4)})
    found: dict[str, int] = {}
    while True:
        event = yield Await(kinds, REGISTRATION_QUIET_S)
        unit = event.reported.unit if isinstance(event, Waited) and event.reported else None
        if isinstance(unit, SlaveReport | DeviceReport):
            found |= unit.meters
        elif isinstance(unit, RouteReport) or (
            unit is None and not (yield from read_state()).registering
        ):
            break
    yield from confirmed(Request(order_of(StopRegistration())))
    yield from confirmed(Request(Order(afn_12.AFN, afn_12.RESUME)))
    return found
