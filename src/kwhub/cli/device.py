"""``kwhub headend device``: hand out, lock, retire and list handhelds, in the head-end's store."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import segno
from cyclopts import Parameter

from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.domain.errors import ConfigError
from kwhub.headend import config as headend_config
from kwhub.headend.identity.records import Allocation, Description, Device, Exposure
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store.database import Database
from kwhub.runtime.clock import SystemClock

__all__ = ["allocate_device", "device_service", "list_devices", "lock_device", "retire_device"]

_STATES = {
    "allocated": "已分配",
    "active": "使用中",
    "locked": "已锁定",
    "lost": "已挂失",
    "retired": "已停用",
}

Reason = Annotated[str, Parameter(help="Why, for the audit trail.")]


async def allocate_device(
    config: Path,
    *,
    model: str = "",
    serial: str = "",
    owner: str = "",
    area: str = "",
    again: str = "",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Take a handheld in before it is handed out, and show the code that it scans, once.

    The code holds a secret that works for one device within a day (``secret_hours``). Example:

        kwhub headend device allocate headend.toml --model T5 --serial 0815 --owner ann

    Parameters
    ----------
    config
        The settings of the head-end, a TOML file with a table ``[devices]``.
    model
        Make and model.
    serial
        Serial number on its label.
    owner
        Who gets it.
    area
        Where it is used.
    again
        Name of a device that was locked or lost and found: it gets a new secret, its old identities end.
    """
    with device_service(config) as service:
        by = getpass.getuser()
        if again:
            made = service.registry.allocate_again(again, by)
        else:
            made = service.registry.allocate(Description(model, serial, owner, area), by)
        code = service.code(made).text
    if json:
        print_json({"device": made.device, "until": made.until.isoformat(), "code": code})
    else:
        _show_code(made, code, pick_language(language))
    return Exit.OK


async def lock_device(
    config: Path,
    device: str,
    *,
    lost: Annotated[bool, Parameter(negative="")] = False,
    reason: Reason = "",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Keep a handheld out from its next request on, and show what it could still do without the head-end.

    What it was granted and has not used may be used until it ends by itself; orders need the head-end. Example:

        kwhub headend device lock headend.toml device-000001 --lost --reason "left on the bus"

    Parameters
    ----------
    config
        The settings of the head-end.
    device
        Its name, as the list shows it.
    lost
        It is gone: when it calls again it is told to wipe itself.
    """
    with device_service(config) as service:
        close = service.registry.lose if lost else service.registry.lock
        told = close(device, getpass.getuser(), reason)
    _show_exposure(told, pick_language(language), json=json)
    return Exit.OK


async def retire_device(
    config: Path,
    device: str,
    *,
    reason: Reason = "",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Take a handheld out of service for ever; it is told to wipe itself.

    It can never be allocated again. Example:

        kwhub headend device retire headend.toml device-000001 --reason "broken"

    Parameters
    ----------
    config
        The settings of the head-end.
    device
        Its name, as the list shows it.
    """
    with device_service(config) as service:
        told = service.registry.retire(device, getpass.getuser(), reason)
    _show_exposure(told, pick_language(language), json=json)
    return Exit.OK


async def list_devices(
    config: Path, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """List the handhelds: state, generation of the identity, when they were last heard.

    Generation 0 means that it was never used. Example:

        kwhub headend device list headend.toml

    Parameters
    ----------
    config
        The settings of the head-end.
    """
    with device_service(config) as service:
        devices = service.registry.devices()
    chinese = pick_language(language) == ZH
    if json:
        print_json([_as_json(each) for each in devices])
        return Exit.OK
    headings = (
        ("设备", "型号", "编号", "持有人", "状态", "身份代次", "有效期至", "最近联系")
        if chinese
        else ("Device", "Model", "Serial", "Owner", "State", "Generation", "Valid until", "Heard")
    )
    rows = [_row(each, chinese=chinese) for each in devices]
    print_table(headings, rows, right=(5,), whole=(0,))
    return Exit.OK


@contextmanager
def device_service(file: Path) -> Iterator[DeviceService]:
    """The devices of a head-end, which may be running: both use the same store."""
    settings = headend_config.load(file)
    if settings.devices is None:
        raise ConfigError(
            "has no table [devices]; write one, it may be empty", file=str(file), key="devices"
        )
    database = Database(settings.headend.store, power_safe=settings.headend.power_safe)
    try:
        yield DeviceService.build(
            settings.devices, database, SystemClock(), in_place, settings.orders
        )
    finally:
        database.close()


def _show_code(made: Allocation, code: str, language: Language) -> None:
    until = f"{made.until:%Y-%m-%d %H:%M} UTC"
    if language == ZH:
        say(f"{made.device}：请在 {until} 前用设备扫描，仅显示一次，仅可使用一次。")
    else:
        say(f"{made.device}: scan this with the device before {until}; shown once, works once.")
    segno.make(code, error="m", micro=False).terminal(compact=True)
    say(code)


def _show_exposure(told: Exposure, language: Language, *, json: bool) -> None:
    if json:
        print_json(
            {
                "device": told.device,
                "state": told.state,
                "until": told.until.isoformat() if told.until else None,
                "grants": [
                    {
                        "meter": each.meter,
                        "operation": each.operation,
                        "uses": each.uses,
                        "not_after": each.not_after.isoformat(),
                    }
                    for each in told.grants
                ],
                "recalled_orders": list(told.orders),
            }
        )
        return
    chinese = language == ZH
    state = _STATES[told.state] if chinese else told.state
    meters = len({each.meter for each in told.grants})
    until = f"{told.until:%Y-%m-%d %H:%M} UTC" if told.until else "-"
    if chinese:
        say(f"{told.device}：{state}；离线仍可能操作 {meters} 块表，至 {until} 为止。")
    else:
        say(f"{told.device}: {state}; off-line it may still reach {meters} meters, until {until}.")
    if told.grants:
        headings = ("表号", "操作", "剩余次数") if chinese else ("Meter", "Operation", "Uses left")
        rows = [(each.meter, each.operation, str(each.uses)) for each in told.grants]
        print_table(headings, rows, right=(2,))


def _row(device: Device, *, chinese: bool) -> tuple[str, ...]:
    about = device.description
    return (
        device.name,
        about.model,
        about.serial,
        about.owner,
        _STATES[device.state] if chinese else device.state,
        str(device.generation or "-"),
        f"{device.not_after:%Y-%m-%d %H:%M}" if device.not_after else "-",
        f"{device.seen_at:%Y-%m-%d %H:%M}" if device.seen_at else "-",
    )


def _as_json(device: Device) -> dict[str, Any]:
    about = device.description
    return {
        "device": device.name,
        "model": about.model,
        "serial": about.serial,
        "owner": about.owner,
        "area": about.area,
        "state": device.state,
        "reason": device.reason,
        "generation": device.generation,
        "not_after": device.not_after.isoformat() if device.not_after else None,
        "seen_at": device.seen_at.isoformat() if device.seen_at else None,
        "allocated_at": device.allocated_at.isoformat(),
        "wrong_secrets": device.wrong_secrets,
    }
