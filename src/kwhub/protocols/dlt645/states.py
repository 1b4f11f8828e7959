"""The states of both ends of the line and every way from one to another.

Everything about transitions stands in this table; the code only looks things up.

Source: DL/T 645-2007, clause 5 (the master asks, one meter answers, nothing happens unasked).
"""

from enum import Enum
from typing import Final

from kwhub.domain.errors import LocalError

__all__ = ["START_STATES", "TRANSITIONS", "Happening", "Role", "State", "step"]


class Role(Enum):
    """Which end of the line a session plays."""

    MASTER = "master"
    METER = "meter"


class State(Enum):
    """Where an end of the line stands."""

    IDLE = "idle"  #: master: may ask
    WAITING = "waiting"  #: master: has asked one meter
    LISTENING = "listening"  #: meter: nothing asked
    ASKED = "asked"  #: meter: owes an answer


class Happening(Enum):
    """What moves an end of the line."""

    REQUEST = "a request for one meter"
    TOLD = "a request for all meters, which nobody answers"
    ANSWER = "a normal answer"
    REFUSAL = "an abnormal answer"
    TIME_OUT = "no answer in time"
    ANSWER_TO_EARLIER = "an answer, while a newer request has come"


TRANSITIONS: Final[dict[State, dict[Happening, State]]] = {
    State.IDLE: {
        Happening.REQUEST: State.WAITING,
        Happening.TOLD: State.IDLE,
    },
    State.WAITING: {
        Happening.ANSWER: State.IDLE,
        Happening.REFUSAL: State.IDLE,
        Happening.TIME_OUT: State.IDLE,
    },
    State.LISTENING: {
        Happening.REQUEST: State.ASKED,
        Happening.TOLD: State.LISTENING,
    },
    State.ASKED: {
        Happening.REQUEST: State.ASKED,
        Happening.TOLD: State.ASKED,
        Happening.ANSWER: State.LISTENING,
        Happening.REFUSAL: State.LISTENING,
        Happening.ANSWER_TO_EARLIER: State.ASKED,
    },
}

START_STATES: Final = {Role.MASTER: State.IDLE, Role.METER: State.LISTENING}


def step(state: State, happening: Happening) -> State:
    """The next state. Raises LocalError when this cannot happen in this state."""
    following = TRANSITIONS[state].get(happening)
    if following is None:
        raise LocalError(f"{happening.value} is not possible while {state.value}")
    return following
