"""Which identifier has which layout.

Source: as in ``requests`` and ``terminal``; identifiers that end in 01 are other names in use.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kwhub.domain.errors import DecodeError
from kwhub.prepay.wire import answers, requests, terminal
from kwhub.prepay.wire.layout import Layout, Nothing

__all__ = ["ALIASES", "ANSWERS", "REQUESTS", "canonical", "decode_answer", "decode_request"]

ALIASES: Mapping[int, int] = MappingProxyType(
    {
        0x0700_0201: 0x0700_02FF,
        0x0700_0301: 0x0700_03FF,
        0x0780_0301: 0x0780_03FF,
        0x0781_0201: 0x0781_02FF,
    }
)
"""Other names of an identifier."""

_WALLET = b"\x01\x00"  #: file 01, low byte first
_ONE_KEY = dict.fromkeys(range(0x0702_01FF, 0x0702_05FF, 0x100), requests.UpdateKey2009)

REQUESTS: Mapping[int, type[Layout]] = MappingProxyType(
    {
        **{
            each.IDENTIFIER: each
            for each in (
                requests.AuthenticateIdentity,
                requests.SetValidity,
                requests.EndAuthentication,
                requests.AuthenticateInfrared,
                requests.RequestInfrared,
                requests.WriteFilePlain,
                requests.WriteFileSealed,
                requests.OpenAccount,
                requests.Purchase,
                requests.InitialiseWallet,
                requests.Refund,
                requests.UpdateKeys,
                requests.ReadBack,
                requests.CompareFirmware,
                requests.QueryStatus,
                terminal.TerminalLogin,
                terminal.TerminalPurchase,
                terminal.WriteTariff,
                terminal.WriteStandbyTariff,
                terminal.CloseAndRestore,
                terminal.SwitchMode,
            )
        },
        **_ONE_KEY,
    }
)
"""Layout of each request."""

ANSWERS: Mapping[int, type[Layout]] = MappingProxyType(
    {
        each.IDENTIFIER: each
        for each in (
            answers.IdentityShown,
            answers.Ended,
            answers.InfraredShown,
            answers.ReadBackData,
            answers.Compared,
            answers.Status,
            answers.TerminalOpened,
            answers.Returned,
        )
    }
)
"""Layout of each answer that carries data; all others carry none."""


def canonical(identifier: int) -> int:
    """The usual name of an identifier."""
    return ALIASES.get(identifier, identifier)


def decode_request(identifier: int, payload: bytes) -> Layout:
    """The data of a request, without identifier and operator code.

    Raises:
        DecodeError: ``unknown_identifier``, or data that do not fit.
    """
    layout = REQUESTS.get(canonical(identifier))
    if layout is None:
        raise DecodeError("unknown_identifier", f"{identifier:08X} is no security command")
    return layout.from_payload(payload)


def decode_answer(identifier: int, payload: bytes) -> Layout:
    """The data of an answer, without its identifier.

    Raises:
        DecodeError: ``unknown_identifier``, or data that do not fit.
    """
    if canonical(identifier) not in REQUESTS:
        raise DecodeError("unknown_identifier", f"{identifier:08X} is no security command")
    layout = ANSWERS.get(canonical(identifier), Nothing)
    if layout is answers.ReadBackData and payload[4:6] == _WALLET:
        layout = answers.WalletReadBack
    return layout.from_payload(payload)
