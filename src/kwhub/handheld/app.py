"""A handheld put together: a folder with its vault, its work and its settings. It opens with the PIN only."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.device_code import EnrolmentCode
from kwhub.handheld import settings as device_settings
from kwhub.handheld.book import Book
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.claim import Claim
from kwhub.handheld.identity import Identity
from kwhub.handheld.lending import Lender, Lent, ask_enrolment
from kwhub.handheld.line import Ways
from kwhub.handheld.settings import Settings
from kwhub.handheld.tasks import Tasks
from kwhub.handheld.vault import COST, FileKeyStore, OpenVault, Vault
from kwhub.links.address import open_link, parse
from kwhub.links.base import Link
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock

__all__ = ["Device", "Opener"]

Opener: TypeAlias = Callable[[str], Awaitable[Link]]
"""Opens a link address."""

BOOK: Final = "work.sqlite"
SETTINGS: Final = "settings.json"


class Device:
    """One handheld.

    Attributes:
        folder: with everything it has.
        settings: that hold before anybody has signed in.
        tasks: its work; None until the PIN was right.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        chance: Random,
        *,
        opener: Opener | None = None,
        cost: int = COST,
    ) -> None:
        """Take a folder; nothing is opened yet.

        Args:
            folder: of the device; made at enrolment.
            clock: real or virtual.
            chance: spreads renewals.
            opener: of links; by default those of ``kwhub.links``.
            cost: rounds of scrypt for a new vault.

        Raises:
            ConfigError: the settings are damaged.
        """
        self.folder = folder
        self.clock = clock
        self.settings = device_settings.load(folder / SETTINGS)
        self.tasks: Tasks | None = None
        self._chance = chance
        self._own_links = opener is not None
        self._opener = opener or (lambda address: open_link(address, clock=clock))
        self._cost = cost
        self._vault = Vault(folder / "vault", FileKeyStore(folder / "key" / "secret"))
        self._claim = Claim(folder)
        self._open: OpenVault | None = None
        self._channel: Channel | None = None

    @property
    def exists(self) -> bool:
        """Whether it was prepared with the code of an allocation."""
        return self._vault.exists

    async def enrol(self, code: str, pin: str) -> str:
        """Take the code of an allocation and get the first identity; may be done again after any failure.

        A device that was locked and is allocated again keeps what waits for the head-end.
        Where the settings name a device that lends its way to the head-end (``via``), it is done through that one.

        Returns:
            The name of the device.

        Raises:
            LocalError: the device has an identity already, the PIN is too short, or another process uses the folder.
            DecodeError: it is another code.
            Refusal, LinkDown, NoAnswer: as ``channel.enrol``.
        """
        parsed = EnrolmentCode.parse(code)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claim.take()
        try:
            return await self._enrol(parsed, pin)
        finally:
            self._claim.release()

    async def _enrol(self, parsed: EnrolmentCode, pin: str) -> str:
        if self._vault.exists:
            identity = self._again(parsed, pin)
        else:
            opened = self._vault.create(pin, cost=self._cost)
            Book.remove(self.folder / BOOK)
            Identity.prepare(opened, parsed)
            identity = self._identity(opened)
        await enrol(identity, lambda: self._to_enrolment(identity))
        return identity.state.device

    def _again(self, parsed: EnrolmentCode, pin: str) -> Identity:
        """Go on after a failure, or begin anew with another code; what waits for the head-end stays.

        A code that never led to an identity gives way to any other. A device that the head-end has locked takes a fresh
        code of its own name and head-end, and stays closed until it is certified.
        """
        identity = self._identity(self._vault.open(pin, self._now()))
        state = identity.state
        is_ours = (parsed.device, parsed.root) == (state.device, state.root_digest)
        if is_ours and state.secret == parsed.secret:
            return identity
        if not is_ours if state.closed else identity.had_one:
            raise LocalError(
                f"this device is {state.device} already; remove {self.folder} to begin"
                " anew, and have it allocated again"
            )
        if not is_ours:
            Book.remove(self.folder / BOOK)
        Identity.prepare(identity.vault, parsed, before=state)
        return self._identity(identity.vault)

    async def _to_enrolment(self, identity: Identity) -> Link:
        """The way to the port where devices enrol: straight, or through the device that lends its own."""
        if not self.settings.via:
            return await self._opener(f"tcp:{identity.state.enrol}")
        return await ask_enrolment(await self._opener(self.settings.via))

    def sign_in(self, pin: str) -> Tasks:
        """Open the device, and keep every other process out until ``sign_out``.

        Raises:
            Refusal: a wrong PIN, or the head-end has sent the device away.
            LocalError: it has no identity, a file was changed, or another process uses the device.
            ConfigError: a setting is wrong.
            OSError: the folder cannot be opened.
        """
        zone = self._zone()
        self._claim.take()
        try:
            return self._sign_in(pin, zone)
        except BaseException:
            self._claim.release()
            raise

    def _sign_in(self, pin: str, zone: ZoneInfo) -> Tasks:
        opened = self._vault.open(pin, self._now())
        identity = self._identity(opened)
        channel = Channel(
            identity,
            lambda: self._opener(self.settings.via or f"tcp:{identity.state.at}"),
            self.settings.operator,
        )
        ways = Ways(self.settings.link, self._opener, self.clock)
        self.tasks = Tasks(channel, self.folder / BOOK, ways, self.clock, zone=zone)
        self._open, self._channel = opened, channel
        return self.tasks

    async def sign_out(self) -> None:
        """Close everything; only the PIN opens it again, in whatever process."""
        tasks, self.tasks = self.tasks, None
        try:
            if tasks is not None:
                await tasks.aclose()
            if self._channel is not None:
                await self._channel.aclose()
        finally:
            if self._open is not None:
                self._open.close()
            self._claim.release()

    async def change(self, **changes: object) -> None:
        """Change settings; a new link is used at once.

        Raises:
            ConfigError: a setting would be wrong, or is no link address; nothing was changed.
            OSError: the file cannot be written.
        """
        fresh = msgspec.structs.replace(self.settings, **changes)
        try:
            fresh = msgspec.convert(msgspec.to_builtins(fresh), Settings)
        except msgspec.ValidationError as error:
            raise ConfigError(str(error)) from error
        for name in ("link", "via"):
            if changes.get(name) and not self._own_links:
                parse(str(changes[name]))
        device_settings.save(self.folder / SETTINGS, fresh)
        self.settings = fresh
        if self.tasks is not None and self.tasks.visiting.ways.link != fresh.link:
            await self.tasks.visiting.ways.aclose()
            self.tasks.visiting.ways.link = fresh.link

    def change_pin(self, old: str, new: str) -> None:
        """Set another PIN; a device that is open stays open.

        Raises:
            Refusal: the old one is wrong, which counts as at any sign-in.
            LocalError: the new one is too short, there is no identity, or another process uses the device.
            OSError: the file cannot be written; the old PIN holds.
        """
        is_ours = self.tasks is not None
        if not is_ours:
            self._claim.take()
        try:
            self._vault.change_pin(old, new, self._now())
        finally:
            if not is_ours:
                self._claim.release()

    async def lend(self, address: str, told: Callable[[Lent], None] = lambda _lent: None) -> None:
        """Let other devices reach the head-end through this one, until cancelled.

        They speak with it in their own names, inside their own TLS, or enrol; this device sees nothing of it and calls
        nobody else.

        Args:
            address: where they call, such as ``tcp-listen:192.168.1.5:6480``, or a link such as ``serial:``.
            told: hears how many borrow now, whenever that changes.

        Raises:
            Refusal, LocalError: nobody has signed in, or the identity does not hold.
            ConfigError, LinkDown: the address makes no sense or cannot be opened.
        """
        if self.tasks is None:
            raise LocalError("nobody has signed in")
        await Lender(self.tasks.identity, self._opener, self.clock, told).run(address)

    def _identity(self, opened: OpenVault) -> Identity:
        return Identity(opened, self.clock, self._chance, self._wipe)

    def _wipe(self) -> None:
        """The head-end says that the device is lost or retired: nothing of its work stays."""
        self._vault.wipe()
        Book.remove(self.folder / BOOK)

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.settings.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(
                f"there is no zone {self.settings.zone!r}",
                file=str(self.folder / SETTINGS),
                key="zone",
            ) from None

    def _now(self) -> int:
        return int(self.clock.now().timestamp())
