"""The states of both ends and every way from one to another.

Source: Q/GDW 1376.2-2013, clauses 4.4 and annex A: the concentrator asks one thing at a time (F1-F1: several),
the module may speak up at any time and is confirmed at once.
"""

from enum import Enum, auto
from types import MappingProxyType

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376_2.messages import (
    Answer,
    Answered,
    Await,
    Batch,
    BatchEnded,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Initiate,
    Request,
    Stop,
    TimedOut,
    Wait,
    Waited,
)

__all__ = ["START_STATE", "TRANSITIONS", "Role", "State", "step"]


class Role(Enum):
    """Which end of the interface."""

    CONCENTRATOR = auto()
    MODULE = auto()


class State(Enum):
    """Where an end stands."""

    IDLE = auto()
    WAITING = auto()  #: something was sent that is to be answered
    LISTENING = auto()  #: concentrator: silent on purpose


_ENDS = (Answered, Confirmed, Denied, TimedOut)
_REPLIES = (Answer, Confirm, Deny)


def _to(state: State, *kinds: type) -> dict[type, State]:
    return dict.fromkeys(kinds, state)


TRANSITIONS: MappingProxyType[Role, MappingProxyType[State, dict[type, State]]] = MappingProxyType(
    {
        Role.CONCENTRATOR: MappingProxyType(
            {
                State.IDLE: _to(State.WAITING, Request, Batch)
                | _to(State.LISTENING, Wait, Await)
                | _to(State.IDLE, *_REPLIES),
                State.WAITING: _to(State.IDLE, *_ENDS, BatchEnded) | _to(State.WAITING, *_REPLIES),
                State.LISTENING: _to(State.IDLE, Waited, TimedOut)
                | _to(State.LISTENING, *_REPLIES, Stop),
            }
        ),
        Role.MODULE: MappingProxyType(
            {
                State.IDLE: _to(State.WAITING, Initiate) | _to(State.IDLE, *_REPLIES),
                State.WAITING: _to(State.IDLE, *_ENDS) | _to(State.WAITING, *_REPLIES),
                State.LISTENING: {},
            }
        ),
    }
)

START_STATE = State.IDLE


def step(role: Role, state: State, message: type) -> State:
    """The next state. Raises LocalError when this cannot happen now."""
    following = TRANSITIONS[role][state].get(message)
    if following is None:
        raise LocalError(f"{message.__name__} is not allowed: {role.name} is {state.name}")
    return following
