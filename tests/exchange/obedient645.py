"""A small meter that obeys commands, at the other end of a real session."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645 import (
    AddressFound,
    Asked,
    ChangePassword,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Data,
    Done,
    Edition,
    Freeze,
    ReadAddress,
    ReadData,
    Refused,
    RelayOrder,
    Role,
    Session,
    SetTime,
    WriteAddress,
    WriteData,
)
from kwhub.protocols.dlt645.items import encode, find
from kwhub.testing.pair import Pair, drop

ADDRESS = "000000000038"
PASSWORDS = {2: "020202", 4: "123456"}
NO_SUCH_DATA, NOT_AUTHORISED, OTHER = 0x02, 0x04, 0x01
COUNTERS = {ClearDemand: 0x03300200, ClearMeter: 0x03300100, ClearEvents: 0x03300300}
DEMAND_CLEARS_1997 = 0xB213


@dataclass
class Obedient:
    """Knobs: ``store`` what it keeps, ``offset_s`` of its clock, ``deaf`` to commands of these classes,
    ``refuses`` them, ``changes_anyway`` although it refuses, or agrees and ``does_nothing``."""

    store: dict[int, bytes] = field(default_factory=dict)
    address: str = ADDRESS
    edition: Edition = Edition.E2007
    start: datetime = datetime(2026, 3, 2, 12, 0, 0)
    offset_s: float = 0.0
    word: int = 0
    stuck_relay: bool = False
    passwords: dict[int, str] = field(default_factory=lambda: dict(PASSWORDS))
    deaf: tuple[type, ...] = ()
    refuses: tuple[type, ...] = ()
    changes_anyway: bool = False
    does_nothing: bool = False
    asked: list[Any] = field(default_factory=list)
    pair: Pair | None = None

    def true(self) -> datetime:
        """The caller's clock."""
        return self.start + timedelta(seconds=self.pair.now if self.pair else 0.0)

    def clock(self) -> datetime:
        return (self.true() + timedelta(seconds=self.offset_s)).replace(microsecond=0)

    def talk(
        self,
        conversation: Conversation[Any],
        *,
        lost: Collection[int] = (),
        lost_requests: Collection[int] = (),
    ) -> Any:
        self.pair = Pair(
            Session(Role.MASTER),
            Session(Role.METER, edition=self.edition, addresses=self.is_mine),
            answer=self.answer,
            to_asker=drop(*lost),
            to_answerer=drop(*lost_requests),
        )
        return self.pair.run(conversation)

    def is_mine(self, asked: str) -> bool:
        return asked in (self.address, "AAAAAAAAAAAA")

    @property
    def commands(self) -> list[str]:
        return [
            type(request).__name__
            for request in self.asked
            if not isinstance(request, ReadData | ReadAddress)
        ]

    def answer(self, event: Any) -> list[Any]:
        if not isinstance(event, Asked):
            return []
        request = event.request
        self.asked.append(request)
        if isinstance(request, self.deaf):
            return []
        if isinstance(request, ReadAddress):
            return [AddressFound(self.address)]
        if isinstance(request, ReadData):
            return [self.value(request)]
        answer = self.obey(request)
        return [] if event.silent else [answer]

    def value(self, request: ReadData) -> Any:
        known = self.store | self.now_values()
        payload = known.get(request.identifier)
        if payload is None:
            return Refused(self.address, NO_SUCH_DATA)
        return Data(self.address, request.identifier, payload)

    def now_values(self) -> dict[int, bytes]:
        day, time = f"{self.clock():%Y-%m-%d}", f"{self.clock():%H:%M:%S}"
        if self.edition is Edition.E1997:
            return {
                0xC010: encode(0xC010, [day], self.edition),
                0xC011: encode(0xC011, [time], self.edition),
            }
        return {
            0x04000101: encode(0x04000101, [day]),
            0x04000102: encode(0x04000102, [time]),
            0x04000401: bytes.fromhex(self.address)[::-1],
            0x04000503: self.word.to_bytes(2, "little"),
        }

    def obey(self, request: Any) -> Any:
        denied = self.denial(request)
        answering = getattr(request, "new_address", self.address)
        if denied is None or self.changes_anyway:
            self.change(request)
        return Done(answering) if denied is None else Refused(answering, denied)

    def denial(self, request: Any) -> int | None:
        if isinstance(request, self.refuses):
            return OTHER
        authority = getattr(request, "authority", None)
        key = authority.key if authority else getattr(request, "old", None)
        if key is not None and self.passwords.get(key.level) != key.password:
            return NOT_AUTHORISED
        return None

    def change(self, request: Any) -> None:
        if self.does_nothing:
            return
        changes: dict[type, Callable[[Any], None]] = {
            WriteData: self.write,
            WriteAddress: lambda request: setattr(self, "address", request.new_address),
            SetTime: self.take_time,
            ChangePassword: lambda request: self.passwords.update(
                {request.new.level: request.new.password}
            ),
            Freeze: lambda request: self.freeze(request.pattern),
            ControlRelay: lambda request: self.switch(RelayOrder.from_bytes(request.order)),
            **dict.fromkeys(COUNTERS, self.count),
        }
        changes.get(type(request), lambda _request: None)(request)

    def take_time(self, request: SetTime) -> None:
        if abs((request.time - self.clock()).total_seconds()) <= 300:
            self.set_clock(request.time)

    def count(self, request: Any) -> None:
        old = self.edition is Edition.E1997
        counter, size = (DEMAND_CLEARS_1997, 2) if old else (COUNTERS[type(request)], 3)
        count = int(self.store.get(counter, bytes(size))[::-1].hex()) + 1
        self.store[counter] = bytes.fromhex(f"{count:0{2 * size}d}")[::-1]

    def write(self, request: WriteData) -> None:
        now = self.clock()
        value = self.text_of(request)
        if request.identifier in (0x04000101, 0xC010):
            self.set_clock(datetime.fromisoformat(f"{value} {now:%H:%M:%S}"))
        elif request.identifier in (0x04000102, 0xC011):
            self.set_clock(datetime.fromisoformat(f"{now:%Y-%m-%d} {value}"))
        elif request.identifier == 0x04000401:
            self.address = str(value)
        else:
            self.store[request.identifier] = request.payload

    def text_of(self, request: WriteData) -> object:
        item = find(request.identifier, request.edition)
        return None if item is None else item.decode(request.payload)[0].value

    def set_clock(self, moment: datetime) -> None:
        self.offset_s = (moment - self.true()).total_seconds()

    def freeze(self, pattern: str) -> None:
        if pattern != "99999999":
            self.store[0x04001204] = bytes.fromhex(pattern)[::-1]
            return
        for number in (3, 2):
            self.store[0x05010000 | number] = self.store.get(0x05010000 | number - 1, b"\xff" * 5)
        self.store[0x05010001] = bytes.fromhex(f"{self.clock():%y%m%d%H%M}")[::-1]

    def switch(self, order: RelayOrder) -> None:
        until = order.valid_until
        if until is not None and until < self.clock():
            return
        opens = order.command in (0x1A, 0x1D, 0x1E)
        if opens or order.command in (0x1B, 0x1C):
            self.word = self.word | 0x40 if opens else self.word & ~0x40
            moves = opens or order.command == 0x1C
            if moves and not self.stuck_relay:
                self.word = self.word | 0x10 if opens else self.word & ~0x10
        if order.command in (0x3A, 0x3B):
            self.word = self.word | 0x1000 if order.command == 0x3A else self.word & ~0x1000
