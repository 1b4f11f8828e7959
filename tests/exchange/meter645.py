"""A meter of few words at the other end of a real session, for conversations."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645 import (
    AddressFound,
    Asked,
    Data,
    Edition,
    ReadAddress,
    ReadData,
    ReadFollowUp,
    Refused,
    Role,
    Session,
)
from kwhub.testing.pair import Pair, drop

ADDRESS = "000000000038"
NO_SUCH_DATA = 0x02


@dataclass
class Meter:
    """Answers from a table of payloads; what is not in it is refused.

    ``answers`` may hold a function of the request, ``frame_bytes`` cuts long payloads, and ``silent``
    identifiers are left without answer.
    """

    answers: dict[int, bytes | Callable[[ReadData], bytes]]
    edition: Edition = Edition.E2007
    frame_bytes: int = 190
    silent: set[int] = field(default_factory=set)
    asked: list[Any] = field(default_factory=list)
    rest: bytes = b""

    def answer(self, event: Any) -> list[Any]:
        if not isinstance(event, Asked):
            return []
        self.asked.append(event.request)
        if isinstance(event.request, ReadAddress):
            return [AddressFound(ADDRESS)]
        return self._values(event.request)

    def _values(self, request: Any) -> list[Any]:
        if request.identifier in self.silent:
            return []
        if isinstance(request, ReadData):
            known = self.answers.get(request.identifier)
            if known is None:
                return [Refused(ADDRESS, NO_SUCH_DATA)]
            self.rest = known if isinstance(known, bytes) else known(request)
        return [self._next_frame(request)]

    def _next_frame(self, request: ReadData | ReadFollowUp) -> Data:
        now, self.rest = self.rest[: self.frame_bytes], self.rest[self.frame_bytes :]
        sequence = request.sequence if isinstance(request, ReadFollowUp) else None
        return Data(ADDRESS, request.identifier, now, bool(self.rest), sequence)

    def talk(
        self,
        conversation: Conversation[Any],
        piece_bytes: int | None = None,
        *,
        lost: Collection[int] = (),
    ) -> Any:
        """Run a conversation with this meter over two real sessions; some answers get ``lost``."""
        pair = Pair(
            Session(Role.MASTER),
            Session(Role.METER, edition=self.edition, addresses={ADDRESS}),
            answer=self.answer,
            piece_bytes=piece_bytes,
            to_asker=drop(*lost),
        )
        return pair.run(conversation)

    @property
    def identifiers(self) -> list[int]:
        """What was asked for, follow-ups left out."""
        return [request.identifier for request in self.asked if isinstance(request, ReadData)]
