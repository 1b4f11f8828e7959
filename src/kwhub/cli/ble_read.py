"""``kwhub ble read``: a meter read over Bluetooth, as ``kwhub read`` reads it over any link."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from cyclopts import Parameter

from kwhub.cli.ble import ADAPTER, AdapterOption, KeysOption
from kwhub.cli.output import JsonFlag, LanguageOption
from kwhub.cli.read import (
    AllFlag,
    AttemptsOption,
    CsvFlag,
    MeterOption,
    ProtocolOption,
    RegisterOption,
    WaitOption,
    read,
)
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["ble_read"]


async def ble_read(
    address: str,
    *,
    adapter: AdapterOption = ADAPTER,
    keys: KeysOption = None,
    unsecured: Annotated[bool, Parameter(name="--unsecured", negative="")] = False,
    profile: Annotated[str | None, Parameter(name="--profile")] = None,
    meter: MeterOption = None,
    register: RegisterOption = (),
    everything: AllFlag = False,
    protocol: ProtocolOption = Edition.E2007.value,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    csv: CsvFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Read a DL/T 645 meter over Bluetooth.

    Every other command does the same with a ble: address for its link, which this one makes. The
    device must be paired (kwhub ble pair). Example:

        kwhub ble read F0:00:00:00:00:01 --keys reader.keys --register 1-0:1.8.0

    Parameters
    ----------
    address
        Of the device, as kwhub ble scan lists it.
    unsecured
        Without a bond, for modules that cannot be paired; everybody near hears and may meddle.
    profile
        nus, ffe0 or fff0; otherwise the first that the device offers.
    """
    return await read(
        _link(address, adapter, keys, profile, unsecured=unsecured),
        meter=meter,
        register=register,
        everything=everything,
        protocol=protocol,
        wait_s=wait_s,
        attempts=attempts,
        csv=csv,
        json=json,
        language=language,
    )


def _link(
    address: str, adapter: str, keys: Path | None, profile: str | None, *, unsecured: bool
) -> str:
    """The address of the link."""
    options = {"adapter": adapter}
    if keys is not None:
        options["keys"] = str(keys)
    if unsecured:
        options["security"] = "none"
    if profile is not None:
        options["profile"] = profile
    return f"ble:{address}?{urlencode(options)}"
