"""Pairing step by step: what comes out of turn ends it, and a key serves only once both sides are sure.

The stack takes every step of a pairing at any time, and hands out the key as soon as it can be computed. With
that a peer can encrypt the link before a person has said yes, choose the digits that are shown, learn a passkey
bit by bit and still prove that it knows it, and go on after it was refused.

Source: Core 5.4, Vol 3, Part H, 2.3.5.6 (order of the steps), 2.3.5.6.1 (a public key that is our own), C.2.2.2.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bumble.hci import Role
from bumble.smp import (
    ErrorCode,
    PairingMethod,
    SMP_Command,
    SMP_Identity_Address_Information_Command,
    SMP_Identity_Information_Command,
    SMP_Pairing_Confirm_Command,
    SMP_Pairing_DHKey_Check_Command,
    SMP_Pairing_Failed_Command,
    SMP_Pairing_Keypress_Notification_Command,
    SMP_Pairing_Public_Key_Command,
    SMP_Pairing_Random_Command,
    SMP_Pairing_Request_Command,
    SMP_Pairing_Response_Command,
    SMP_Signing_Information_Command,
)

from kwhub.bluetooth.pairing import CheckedSession

__all__ = ["OrderedSession"]

Step = type[SMP_Command]

PASSKEY_ROUNDS = 20
"""One for each bit.  Source: Core 5.4, Vol 3, Part H, 2.3.5.6.3."""

CAPABILITY_MAX = 0x04
"""KeyboardDisplay; the rest is reserved.  Source: Core 5.4, Vol 3, Part H, 3.5.1."""

KEYS: tuple[Step, ...] = (
    SMP_Identity_Information_Command,
    SMP_Identity_Address_Information_Command,
    SMP_Signing_Information_Command,
)
"""What comes over the encrypted link; the stack knows which of them it waits for."""

FIRST_OF_ROUND: Mapping[tuple[PairingMethod, bool], Step] = MappingProxyType(
    {
        (PairingMethod.NUMERIC_COMPARISON, True): SMP_Pairing_Confirm_Command,
        (PairingMethod.NUMERIC_COMPARISON, False): SMP_Pairing_Random_Command,
        (PairingMethod.PASSKEY, True): SMP_Pairing_Confirm_Command,
        (PairingMethod.PASSKEY, False): SMP_Pairing_Confirm_Command,
        (PairingMethod.OOB, True): SMP_Pairing_Random_Command,
        (PairingMethod.OOB, False): SMP_Pairing_Random_Command,
    }
)
"""What the other side says first after the public keys, by method and by whether this side has asked to pair."""


class OrderedSession(CheckedSession):
    """A pairing of the stack that goes one way only, and never on once it has failed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._last: Step | None = None  # that was taken from the other side
        self._is_sure = False  # this side has checked all that it can, people included

    def on_smp_command(self, command: SMP_Command) -> None:
        """Take a step that is due; any other ends the pairing."""
        step = type(command)
        if step in (SMP_Pairing_Failed_Command, SMP_Pairing_Keypress_Notification_Command):
            super().on_smp_command(command)
        elif self.completed:
            self._refuse_another(step)
        elif getattr(command, "io_capability", 0) > CAPABILITY_MAX:
            self.send_pairing_failed(ErrorCode.INVALID_PARAMETERS)
        elif self._is_due(step):
            self._last = step
            super().on_smp_command(command)
        else:
            self.send_pairing_failed(ErrorCode.UNSPECIFIED_REASON)

    def on_smp_pairing_public_key_command(self, command: SMP_Pairing_Public_Key_Command) -> None:
        """A key that is our own proves nothing: whoever sends it back has none."""
        if command.public_key_x == self.ecc_key.x[::-1]:
            self.send_pairing_failed(ErrorCode.INVALID_PARAMETERS)
            return
        super().on_smp_pairing_public_key_command(command)

    def send_command(self, command: SMP_Command) -> None:
        """To say that it has failed is to end it; the stack goes on after an error of its own."""
        super().send_command(command)
        if isinstance(command, SMP_Pairing_Failed_Command):
            self.on_pairing_failure(ErrorCode(command.reason))

    def send_pairing_dhkey_check_command(self) -> None:
        """This side is sure: digits, passkey or out-of-band data were right, and nobody has said no.

        A yes that comes when the other side has given up is for nothing.
        """
        if self.completed:
            return
        self._is_sure = True
        super().send_pairing_dhkey_check_command()

    def on_pairing_failure(self, reason: ErrorCode) -> None:
        """No key of it serves any more."""
        self._is_sure = False
        super().on_pairing_failure(reason)

    def get_long_term_key(self, rand: bytes, ediv: int) -> bytes | None:
        """The key, once this side is sure; otherwise that of an older bond is looked for."""
        return super().get_long_term_key(rand, ediv) if self._is_sure else None

    def on_connection_encryption_change(self) -> None:
        """Keys are exchanged under the new key alone."""
        if self._is_sure:
            super().on_connection_encryption_change()

    def _is_due(self, step: Step) -> bool:
        """Whether it is the turn of this step."""
        if self.is_initiator is not (self.connection.role == Role.CENTRAL):
            return False  # a slave does not ask
        if step in KEYS:
            return self._is_sure and self._last in (SMP_Pairing_DHKey_Check_Command, *KEYS)
        return step is self._due()

    def _due(self) -> Step | None:
        """The one step that may come now, beside keys."""
        first = SMP_Pairing_Response_Command if self.is_initiator else SMP_Pairing_Request_Command
        if self._last is SMP_Pairing_Random_Command and self._rounds_are_over:
            is_our_turn = self.is_initiator and not self._is_sure
            return None if is_our_turn else SMP_Pairing_DHKey_Check_Command
        after: Mapping[Step | None, Step | None] = {
            None: first,
            first: SMP_Pairing_Public_Key_Command,
            SMP_Pairing_Public_Key_Command: self._first_of_round,
            SMP_Pairing_Confirm_Command: SMP_Pairing_Random_Command,
            SMP_Pairing_Random_Command: self._first_of_round,
        }
        return after.get(self._last)

    @property
    def _first_of_round(self) -> Step | None:
        return FIRST_OF_ROUND.get((self.pairing_method, self.is_initiator))

    @property
    def _rounds_are_over(self) -> bool:
        is_passkey = self.pairing_method is PairingMethod.PASSKEY
        return not is_passkey or self.passkey_step >= PASSKEY_ROUNDS

    def _refuse_another(self, step: Step) -> None:
        """One pairing a link; whoever wants another one comes again."""
        if step is SMP_Pairing_Request_Command:
            self.send_command(SMP_Pairing_Failed_Command(reason=ErrorCode.REPEATED_ATTEMPTS))
