"""The devices around a node and how they are: online, degraded, wrong, silent, unpaired, replaced.

The state comes from what is heard and from what is not answered, never from connection events
alone: a device whose processor hangs keeps its link.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

from kwhub.bluetooth.states import FINE, Cause, NodeState, Why
from kwhub.runtime.clock import Clock

__all__ = ["Limits", "NodeRegistry", "NodeView", "StateChange", "silent_least_s"]

MARKS = {NodeState.UNPAIRED: Cause.NO_BOND, NodeState.REPLACED: Cause.BOND_LOST}

ASKED_MAX = 20
"""Of so many last requests the share without answer counts."""


PATIENCES = 3
"""A sign of life that is missed costs its wait and a pause as long; the next takes up to one wait more."""


def silent_least_s(heartbeat_s: float, answer_s: float) -> float:
    """Less than this for `Limits.silent_s`, and who is idle or missed once counts as silent, again and again.

    Args:
        heartbeat_s: between signs of life.
        answer_s: longest wait for one, and the pause after one that is missed.
    """
    return heartbeat_s + PATIENCES * answer_s


@dataclass(frozen=True, slots=True)
class Limits:
    """Where one state ends and the next begins."""

    silent_s: float = 180.0  #: nothing heard for so long
    gone_s: float = 10.0  #: without a link for so long
    loss_max: float = 0.2  #: share of unanswered among the last requests
    signal_dbm_min: int = -85
    wrong_max: int = 3  #: violations among the last requests


@dataclass(frozen=True, slots=True)
class NodeView:
    """One device as it is shown."""

    address: str
    meter: str | None
    state: NodeState
    why: Why
    is_connected: bool = False
    signal_dbm: int | None = None
    requests: int = 0
    unanswered: int = 0
    repeated: int = 0  #: requests that were sent again because there was no answer
    violations: int = 0
    last_heard: datetime | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A device is otherwise than before."""

    at: datetime
    address: str
    meter: str | None
    before: NodeState
    after: NodeState
    why: Why


@dataclass(slots=True)
class _Node:
    view: NodeView
    heard_s: float  #: monotonic; when it was last heard or entered
    asked: deque[str] = field(default_factory=lambda: deque(maxlen=ASKED_MAX))
    gone_s: float | None = None  #: monotonic; since when it has no link
    mark: NodeState | None = None  #: unpaired or replaced, until it is paired


def _nobody(_change: StateChange) -> None:
    """Nobody wants to know."""


class NodeRegistry:
    """Keeps the states and tells each change once.

    Attributes:
        limits: may be exchanged at any time.
        told: hears of changes.
    """

    def __init__(
        self,
        clock: Clock,
        limits: Limits | None = None,
        told: Callable[[StateChange], None] = _nobody,
    ) -> None:
        self.told = told
        self._clock = clock
        self.limits = limits or Limits()
        self._nodes: dict[str, _Node] = {}

    def __iter__(self) -> Iterator[NodeView]:
        return (node.view for node in self._nodes.values())

    def __getitem__(self, address: str) -> NodeView:
        return self._nodes[address].view

    def enter(self, address: str, *, meter: str | None = None, paired: bool = True) -> None:
        """Begin to watch a device; silent until it has been heard."""
        state = NodeState.SILENT if paired else NodeState.UNPAIRED
        view = NodeView(address, meter, state, Why(Cause.NOT_HEARD_YET))
        mark = None if paired else NodeState.UNPAIRED
        self._nodes[address] = _Node(view, self._clock.monotonic(), mark=mark)

    def known_as(self, address: str, meter: str | None) -> None:
        """Another meter is expected behind it."""
        if node := self._nodes.get(address):
            node.view = replace(node.view, meter=meter)

    def leave(self, address: str) -> None:
        """Watch a device no longer."""
        self._nodes.pop(address, None)

    def heard(self, address: str) -> None:
        """It has answered."""
        self._asked(address, "answered", requests=1)

    def signal(self, address: str, signal_dbm: int | None) -> None:
        """Its signal was measured; None: the adapter does not tell."""
        if (node := self._nodes.get(address)) and signal_dbm is not None:
            node.view = replace(node.view, signal_dbm=signal_dbm)
            self._judge(node)

    def unanswered(self, address: str) -> None:
        """It was asked and has not answered."""
        self._asked(address, "unanswered", requests=1, unanswered=1)

    def repeated(self, address: str) -> None:
        """It was asked the same again."""
        if node := self._nodes.get(address):
            node.view = replace(node.view, repeated=node.view.repeated + 1)

    def wrong(self, address: str) -> None:
        """It has said what it must not say."""
        self._asked(address, "wrong", violations=1)

    def connected(self, address: str, *, is_connected: bool) -> None:
        """Its link was made, or has ended."""
        if node := self._nodes.get(address):
            node.view = replace(node.view, is_connected=is_connected)
            node.gone_s = None if is_connected else self._clock.monotonic()
            self._judge(node)

    def gone_for_s(self, address: str) -> float:
        """For how long it has had no link; infinite when it is not watched or had none at all."""
        node = self._nodes.get(address)
        if node is None or (node.gone_s is None and not node.view.is_connected):
            return inf
        return 0.0 if node.gone_s is None else self._clock.monotonic() - node.gone_s

    def paired(self, address: str) -> None:
        """It is paired, afresh perhaps."""
        if node := self._nodes.get(address):
            node.mark = None
            self._judge(node)

    def unpaired(self, address: str) -> None:
        """There is no bond with it."""
        self._mark(address, NodeState.UNPAIRED)

    def replaced(self, address: str) -> None:
        """It does not know us any more, or another device has taken its place."""
        self._mark(address, NodeState.REPLACED)

    def check(self) -> None:
        """Notice who has fallen silent; to be called every now and then."""
        for node in self._nodes.values():
            self._judge(node)

    def _asked(
        self,
        address: str,
        outcome: str,
        *,
        requests: int = 0,
        unanswered: int = 0,
        violations: int = 0,
    ) -> None:
        node = self._nodes.get(address)
        if node is None:
            return
        view = node.view
        node.asked.append(outcome)
        was_heard = outcome == "answered"
        node.view = replace(
            view,
            requests=view.requests + requests,
            unanswered=view.unanswered + unanswered,
            violations=view.violations + violations,
            last_heard=self._clock.now() if was_heard else view.last_heard,
        )
        if was_heard:
            node.heard_s = self._clock.monotonic()
        self._judge(node)

    def _mark(self, address: str, mark: NodeState) -> None:
        if node := self._nodes.get(address):
            node.mark = mark
            self._judge(node)

    def _judge(self, node: _Node) -> None:
        state, why = self._state(node)
        before = node.view.state
        node.view = replace(node.view, state=state, why=why)
        if state is not before:
            view = node.view
            self.told(StateChange(self._clock.now(), view.address, view.meter, before, state, why))

    def _state(self, node: _Node) -> tuple[NodeState, Why]:
        view, limits = node.view, self.limits
        if node.mark is not None:
            return node.mark, Why(MARKS[node.mark])
        if view.last_heard is None:
            return NodeState.SILENT, Why(Cause.NOT_HEARD_YET)
        now = self._clock.monotonic()
        silent_s = now - node.heard_s
        gone_s = 0.0 if node.gone_s is None else now - node.gone_s
        if silent_s < limits.silent_s and gone_s < limits.gone_s:
            return self._quality(node)
        if gone_s >= limits.gone_s:
            return NodeState.SILENT, Why(Cause.NO_LINK, round(gone_s))
        return NodeState.SILENT, Why(Cause.NOTHING_HEARD, round(silent_s))

    def _quality(self, node: _Node) -> tuple[NodeState, Why]:
        signal, limits = node.view.signal_dbm, self.limits
        lost = node.asked.count("unanswered")
        wrong = node.asked.count("wrong")
        if wrong >= limits.wrong_max:
            return NodeState.WRONG, Why(Cause.WRONG_FRAMES, wrong)
        if lost > limits.loss_max * len(node.asked):
            return NodeState.DEGRADED, Why(Cause.UNANSWERED, lost, len(node.asked))
        if signal is not None and signal < limits.signal_dbm_min:
            return NodeState.DEGRADED, Why(Cause.SIGNAL, signal)
        return NodeState.ONLINE, FINE
