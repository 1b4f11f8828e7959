"""The states of a connection and what may happen in each of them.

Source: Q/GDW 1376.1-2013, clauses 4.4 and 5.3; three unanswered heartbeats end a connection.
"""

from enum import Enum, auto
from types import MappingProxyType

from kwhub.protocols.gdw1376.messages import (
    Answer,
    Answered,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Heartbeat,
    Login,
    Logout,
    Report,
    Request,
    TimedOut,
)

__all__ = ["ANSWERS", "ATTEMPTS", "INITIATED", "TRANSITIONS", "WAITS", "Role", "State"]

ATTEMPTS: MappingProxyType[type, int] = MappingProxyType(
    {Login: 3, Heartbeat: 3, Logout: 1, Report: 4, Request: 1}
)
"""How often a frame is sent in all; after the last one it is given up."""


class Role(Enum):
    """Which end of the line."""

    TERMINAL = auto()
    STATION = auto()


class State(Enum):
    """Where a connection stands."""

    CONNECTED = auto()  #: nobody has logged in yet
    LOGGING_IN = auto()
    ONLINE = auto()
    WAITING = auto()  #: a request is outstanding
    REFUSED = auto()  #: the login was denied
    LOST = auto()  #: the station does not react any more


ANSWERS = (Answer, Confirm, Deny)


def _stay(state: State, *messages: type) -> dict[type, State]:
    return dict.fromkeys(messages, state)


TRANSITIONS: MappingProxyType[Role, MappingProxyType[State, dict[type, State]]] = MappingProxyType(
    {
        Role.TERMINAL: MappingProxyType(
            {
                State.CONNECTED: {
                    Login: State.LOGGING_IN,
                    **_stay(State.CONNECTED, *ANSWERS),
                },
                State.LOGGING_IN: {
                    Confirmed: State.ONLINE,
                    Denied: State.REFUSED,
                    TimedOut: State.LOST,
                    **_stay(State.LOGGING_IN, *ANSWERS),
                },
                State.ONLINE: {
                    Heartbeat: State.WAITING,
                    Report: State.WAITING,
                    Logout: State.WAITING,
                    **_stay(State.ONLINE, *ANSWERS),
                },
                State.WAITING: {
                    Confirmed: State.ONLINE,
                    Denied: State.ONLINE,
                    TimedOut: State.LOST,
                    **_stay(State.WAITING, *ANSWERS),
                },
                State.REFUSED: _stay(State.REFUSED, *ANSWERS),
                State.LOST: _stay(State.LOST, *ANSWERS),
            }
        ),
        Role.STATION: MappingProxyType(
            {
                State.CONNECTED: {Confirm: State.ONLINE, Deny: State.REFUSED},
                State.ONLINE: {
                    Request: State.WAITING,
                    **_stay(State.ONLINE, Confirm, Deny),
                },
                State.WAITING: {
                    Answered: State.ONLINE,
                    Confirmed: State.ONLINE,
                    Denied: State.ONLINE,
                    TimedOut: State.ONLINE,
                    **_stay(State.WAITING, Confirm, Deny),
                },
                State.REFUSED: _stay(State.REFUSED, Deny),
                State.LOST: {},
            }
        ),
    }
)
"""What may happen in which state, and what state follows; anything else is an error of the caller.

A terminal may answer whenever it was asked; a station that refused a login refuses what follows."""

WAITS = frozenset({State.LOGGING_IN, State.WAITING})
INITIATED: MappingProxyType[Role, tuple[type, ...]] = MappingProxyType(
    {Role.TERMINAL: (Login, Heartbeat, Report, Logout), Role.STATION: (Request,)}
)
