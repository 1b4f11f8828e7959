"""Everything for field devices, put together from the settings."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import WorkMeter
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.authority import Authority
from kwhub.headend.identity.books import book, look
from kwhub.headend.identity.desk import Desk
from kwhub.headend.identity.listener import DeviceListener
from kwhub.headend.identity.makers import check_order, cost_control, either, no_master
from kwhub.headend.identity.orders import ORDER_MINUTES, FieldOrders, Make
from kwhub.headend.identity.records import Allocation, Rules
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS, terminal_orders
from kwhub.headend.identity.trip_judge import TripJudge
from kwhub.headend.identity.visits import meters_to_visit, terminal_to_visit
from kwhub.headend.identity.work import FieldWork, NewWork
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.orders.secrets import Secrets
from kwhub.headend.orders.trips import TripRefused
from kwhub.headend.people import trail
from kwhub.headend.store.database import Database
from kwhub.headend.vending_keys import opened_keys
from kwhub.links.address import parse
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.trip_tickets import TicketGate, TicketPress
from kwhub.runtime.clock import Clock

__all__ = ["DeviceService"]


@dataclass(frozen=True, slots=True)
class DeviceService:
    """The parts for field devices of one head-end.

    Attributes:
        settings: the table ``[devices]``.
        registry: who they are.
        work: what they do.
        orders: what they carry.
        listener: where they call.
        writes_terminals: whether the password of collecting terminals is known.
    """

    settings: Devices
    registry: Registry
    work: FieldWork
    orders: FieldOrders
    listener: DeviceListener
    writes_terminals: bool = False
    held: ExitStack = field(default_factory=ExitStack)  #: what is let go at the end

    @classmethod
    def build(
        cls,
        settings: Devices,
        database: Database,
        clock: Clock,
        offload: Offload,
        ordering: Ordering,
        *,
        zone: ZoneInfo | None = None,
    ) -> Self:
        """Put the parts together; makes the CA when there is none.

        Args:
            settings: the table ``[devices]``.
            database: of the head-end.
            clock: its time.
            offload: where blocking work runs.
            ordering: the table ``[orders]``: how many may be tripped.
            zone: of the clocks in the meters, where this process makes the frames of orders and needs the root
                keys for it; None: it only writes down what others make.

        Raises:
            ConfigError: the folder of the CA or the root keys are damaged, or others may read a key.
            LocalError: the token with the root keys does not do its part.
        """
        rules = Rules(
            settings.certificate_days,
            settings.secret_hours,
            settings.renewal_grace_days,
            settings.offline_hours,
        )
        ca = Authority(Path(settings.folder), clock.now())
        registry = Registry(database, ca, rules, clock.now, os.urandom, trail.record)
        held = ExitStack()
        make: Make = no_master
        press = TicketPress()
        if zone is not None and settings.root_key:
            make = _make(settings, clock, held, zone, press.public)
        word = Secrets.load(ordering).write if zone is not None else None
        terminals = word and zone and terminal_orders(word, clock.now, zone)
        make = either(make, terminals or None)
        judge = TripJudge(ordering, press, clock.now, zone or ZoneInfo("UTC"))
        work, orders = FieldWork(registry, book, look), FieldOrders(registry, make, judge)
        listener = DeviceListener(Desk(registry, work, orders), clock, offload)
        return cls(
            settings, registry, work, orders, listener, bool(ordering.write_password_file), held
        )

    def close(self) -> None:
        """Let go of the token with the root keys."""
        self.held.close()

    def order(
        self, device: str, wanted: tuple[str, str, str], by: str, minutes: int = ORDER_MINUTES
    ) -> int:
        """Order something at a meter by way of a device, which hears of it when a second person has agreed.

        Args:
            device: its name.
            wanted: address of the meter, operation, and its detail, as ``makers.OPERATIONS`` has them.
            by: who orders it.
            minutes: until when it must be done.

        Returns:
            The number of the order.

        Raises:
            LocalError: nothing here seals orders, no such operation, the archive does not know the meter, or
                there are too many trips.
        """
        meter, operation, detail = wanted
        check_order(operation, detail)
        self._require_secret(operation)
        with self.registry.database.read() as connection:
            _visited(connection, meter, operation)
        try:
            return self.orders.order(device, wanted, by, minutes)
        except TripRefused as refusal:
            self._tell_refused(by, device, f"{operation} at meter {meter}: {refusal}")
            raise

    def approve(self, number: int, by: str) -> int:
        """Agree to an order of another person; it goes to its device with a work order that says so.

        Returns:
            The number of the work order.

        Raises:
            LocalError: as ``FieldOrders.approve``, or the archive does not know the meter any more.
        """
        try:
            with self.registry.database.write() as connection:
                row = self.orders.approve(connection, number, by)
                self._require_secret(row.operation)
                meters = _visited(connection, row.meter, row.operation)
                work = NewWork(
                    row.operation, meters, (), 1, None, row.detail, number, row.not_after
                )
                return self.work.give_in(connection, row.name, work, by)
        except TripRefused as refusal:
            self._tell_refused(by, f"order {number}", str(refusal))
            raise

    def _require_secret(self, operation: str) -> None:
        """Raise LocalError when nothing here makes the frames of an order."""
        if operation in TERMINAL_OPERATIONS:
            if not self.writes_terminals:
                raise LocalError(
                    "nothing here may write to terminals: set write_password_file in the table [orders]"
                )
        elif not self.settings.root_key:
            raise LocalError("nothing here seals orders: set root_key in the table [devices]")

    def _tell_refused(self, by: str, subject: str, why: str) -> None:
        """A trip that must not be leaves a trace, though all else of it was undone."""
        with self.registry.database.write() as connection:
            self.registry.record(connection, by, "device_order_refused", subject, why)

    async def open(self) -> None:
        """Listen where the settings say. Raises ConfigError, LinkDown."""
        await self.listener.open(self.settings.listen, self.settings.enrol)

    def code(self, allocation: Allocation) -> EnrolmentCode:
        """What a device scans. It holds the secret. Raises ConfigError: an address is wrong."""
        return EnrolmentCode(
            allocation.device,
            self._reached(self.settings.listen),
            self._reached(self.settings.enrol),
            allocation.secret,
            self.registry.authority.digest,
        )

    def _reached(self, address: str) -> str:
        host, port = parse(address).host_port(least_port=0)
        host = self.settings.reach or host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _visited(connection: Connection, address: str, operation: str) -> tuple[WorkMeter, ...]:
    """Who is visited for an order. Raises LocalError: the archive does not know it."""
    if operation in TERMINAL_OPERATIONS:
        return (terminal_to_visit(connection, address),)
    return meters_to_visit(connection, addresses=[address])


def _make(settings: Devices, clock: Clock, held: ExitStack, zone: ZoneInfo, guard: bytes) -> Make:
    """Who seals orders, with the root keys of the settings; trips only with tickets of the guard with this public key."""
    keys = held.enter_context(opened_keys(settings.root_key))
    gate = TicketGate(guard, lambda: int(clock.now().timestamp()))
    return cost_control(SoftwareMaster(keys.source, keys.draw, gate), clock.now, zone)
