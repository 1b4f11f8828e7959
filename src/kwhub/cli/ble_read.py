"""``kwhub ble read``: a meter read over Bluetooth, as ``kwhub read`` reads it over any link."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from cyclopts import Parameter

from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.stack import canonical
from kwhub.cli.ble import ADAPTER, AdapterOption, KeysOption
from kwhub.cli.output import JsonFlag, Language, LanguageOption, pick_language
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
from kwhub.domain.errors import LocalError
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["ble_read"]

WORDS = {
    "en": {
        "no_keys": "reading needs the file with the bonds (--keys FILE, made by kwhub ble pair), "
        "or --unsecured for a device that cannot be paired",
        "profile": "--profile must be one of {profiles}",
    },
    "zh": {
        "no_keys": "抄读需要密钥文件（--keys FILE，由 kwhub ble pair 生成）；不能配对的设备用 --unsecured",
        "profile": "--profile 须为 {profiles} 之一",
    },
}


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
    _check(address, keys, profile, pick_language(language), unsecured=unsecured)
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


def _check(
    address: str, keys: Path | None, profile: str | None, language: Language, *, unsecured: bool
) -> None:
    """What can be told before anything is opened. Raises ConfigError, LocalError."""
    canonical(address)
    words = WORDS[language]
    if keys is None and not unsecured:
        raise LocalError(words["no_keys"])
    if profile is not None and profile not in PROFILES:
        raise LocalError(words["profile"].format(profiles=", ".join(PROFILES)))


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
