"""The command tree, and the one place where an error becomes a line of text and an exit code."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from cyclopts import App, CycloptsError

from kwhub import __version__
from kwhub.cli.output import EN, ZH, Exit, Language, complain, pick_language
from kwhub.cli.said import said
from kwhub.domain.errors import ConfigError, KwhubError, LocalError, Refusal

__all__ = ["app", "run"]

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("demo", "kwhub.cli.demo:demo", "Show the whole system on this computer."),
    ("decode", "kwhub.cli.decode:decode_frames", "Decode frames and explain every byte."),
    ("read", "kwhub.cli.read:read", "Read a meter and print its registers with units."),
    ("scan", "kwhub.cli.scan:scan", "Find the meters on a line."),
    ("clock", "kwhub.cli.clock:clock", "Show, adjust or set the clock of a meter."),
    ("freeze", "kwhub.cli.freeze:freeze_command", "Have meters freeze their registers."),
    ("relay", "kwhub.cli.relay:relay", "Show or switch the relay of a meter."),
    ("write", "kwhub.cli.write:write", "Write a parameter of a meter and read it back."),
    ("events", "kwhub.cli.events:events", "List what has happened to a meter."),
    ("password", "kwhub.cli.password:password", "Change a password of a meter."),
    ("address", "kwhub.cli.address:address", "Show or change the address of a meter."),
    ("clear", "kwhub.cli.clear:clear", "Clear demands, event records, or a whole meter."),
    ("capture", "kwhub.cli.capture:capture", "Record the traffic of others on a line."),
    ("explain", "kwhub.cli.explain:explain_capture", "Explain a recorded capture."),
)
"""Name, function, and one line for the overview; a module is imported when its command is called."""

GROUPS: dict[str, str] = {
    "meter": "Simulated meters.",
    "concentrator": "The concentrator: reads meters, reports to the head-end.",
    "headend": "The head-end: takes reports, stores readings, serves the pages.",
    "headend device": "Handhelds: who they are, and whether they get in.",
    "headend user": "The users of the head-end.",
    "headend audit": "The trail of what they did.",
    "terminal": "The collecting terminal: counts pulses, answers handhelds.",
    "handheld": "The handheld: work orders, rounds, meters in the field.",
    "infrared": "Infrared: pulse trains, codes and light.",
    "mbus": "M-Bus: water, heat, gas and electricity meters on two wires.",
    "ble": "Bluetooth: find, pair and read meters, run nodes.",
    "bench": "The bench that judges infrared ports and Bluetooth links.",
    "simulate": "Whole areas on virtual time.",
    "token": "Prepayment tokens of twenty digits (STS).",
    "medium": "The medium that carries purchases to meters.",
    "vend": "Prepayment counter: sells through a medium, keeps the books.",
}
"""Name of a group of commands and one line for the overview."""

GROUPED: tuple[tuple[str, str, str], ...] = (
    ("meter", "simulate", "kwhub.cli.meter:simulate"),
    ("concentrator", "run", "kwhub.cli.concentrator:run_concentrator"),
    ("concentrator", "check", "kwhub.cli.concentrator_check:check_concentrator"),
    ("concentrator", "ledger", "kwhub.cli.concentrator_ledger:show_ledger"),
    ("concentrator", "abnormal", "kwhub.cli.concentrator_abnormal:show_abnormal"),
    ("concentrator", "display", "kwhub.cli.concentrator_display:show_display"),
    ("headend", "run", "kwhub.cli.headend:run_headend"),
    ("headend", "import", "kwhub.cli.headend_files:import_files"),
    ("headend", "export", "kwhub.cli.headend_files:export_files"),
    ("headend", "backup", "kwhub.cli.headend_backup:backup_store"),
    ("headend", "restore", "kwhub.cli.headend_backup:restore_store"),
    ("headend", "retention", "kwhub.cli.headend_retention:show_retention"),
    ("headend device", "allocate", "kwhub.cli.device:allocate_device"),
    ("headend device", "list", "kwhub.cli.device:list_devices"),
    ("headend device", "lock", "kwhub.cli.device:lock_device"),
    ("headend device", "retire", "kwhub.cli.device:retire_device"),
    ("headend device", "work", "kwhub.cli.device_work:give_work"),
    ("headend device", "recall", "kwhub.cli.device_work:recall_work"),
    ("headend device", "order", "kwhub.cli.device_work:give_order"),
    ("headend device", "approve", "kwhub.cli.device_work:approve_order"),
    ("headend device", "withdraw", "kwhub.cli.device_work:recall_order"),
    ("headend user", "add", "kwhub.cli.headend_people:add_user"),
    ("headend user", "list", "kwhub.cli.headend_people:list_users"),
    ("headend user", "disable", "kwhub.cli.headend_people:disable_user"),
    ("headend user", "reset", "kwhub.cli.headend_people:reset_user"),
    ("headend audit", "verify", "kwhub.cli.headend_people:verify_trail"),
    ("terminal", "run", "kwhub.cli.terminal:run_terminal"),
    ("terminal", "check", "kwhub.cli.terminal:check_terminal_settings"),
    ("terminal", "watch", "kwhub.cli.terminal_watch:watch_terminal"),
    ("handheld", "enrol", "kwhub.cli.handheld:enrol_handheld"),
    ("handheld", "run", "kwhub.cli.handheld:show_handheld"),
    ("handheld", "collect", "kwhub.cli.handheld:collect_round"),
    ("handheld", "sync", "kwhub.cli.handheld:synchronise_handheld"),
    ("handheld", "lend", "kwhub.cli.handheld:lend_handheld"),
    ("handheld", "pin", "kwhub.cli.handheld:change_pin"),
    ("infrared", "decode", "kwhub.cli.infrared:decode_pulses"),
    ("infrared", "encode", "kwhub.cli.infrared:encode_frame"),
    ("infrared", "listen", "kwhub.cli.infrared_listen:listen"),
    ("infrared", "plot", "kwhub.cli.infrared_plot:plot_pulses"),
    ("infrared", "module", "kwhub.cli.infrared_module:module"),
    ("infrared", "simulate", "kwhub.cli.infrared_simulate:simulate_infrared"),
    ("mbus", "scan", "kwhub.cli.mbus_scan:mbus_scan"),
    ("mbus", "read", "kwhub.cli.mbus_read:mbus_read"),
    ("mbus", "simulate", "kwhub.cli.mbus_simulate:mbus_simulate"),
    ("ble", "scan", "kwhub.cli.ble_scan:ble_scan"),
    ("ble", "pair", "kwhub.cli.ble_pair:ble_pair"),
    ("ble", "read", "kwhub.cli.ble_read:ble_read"),
    ("ble", "nodes", "kwhub.cli.ble_nodes:ble_nodes"),
    ("ble", "simulate", "kwhub.cli.ble_simulate:ble_simulate"),
    ("bench", "infrared", "kwhub.cli.bench_infrared:bench_infrared"),
    ("bench", "bluetooth", "kwhub.cli.bench_bluetooth:bench_bluetooth"),
    ("bench", "serve", "kwhub.cli.bench_serve:bench_serve"),
    ("simulate", "area", "kwhub.cli.area:simulate_area"),
    ("token", "decode", "kwhub.cli.token:decode_token"),
    ("token", "issue", "kwhub.cli.token:issue_token"),
    ("token", "key-change", "kwhub.cli.token_meter:change_key"),
    ("token", "enter", "kwhub.cli.token_meter:enter_token"),
    ("medium", "visit", "kwhub.cli.medium:visit_meter"),
    ("medium", "show", "kwhub.cli.medium:show_medium"),
    ("medium", "device", "kwhub.cli.medium_device:show_device"),
    ("medium", "simulate", "kwhub.cli.medium_device:simulate_prepaid"),
    ("vend", "make-keys", "kwhub.cli.vend_keys:make_keys"),
    ("vend", "customer", "kwhub.cli.vend:add_customer"),
    ("vend", "price", "kwhub.cli.vend:set_price"),
    ("vend", "issue", "kwhub.cli.vend:issue_medium"),
    ("vend", "sell", "kwhub.cli.vend:sell_purchase"),
    ("vend", "token", "kwhub.cli.vend_token:sell_token"),
    ("vend", "remote", "kwhub.cli.vend_remote:sell_remote"),
    ("vend", "collect", "kwhub.cli.vend:collect_usage"),
    ("vend", "cancel", "kwhub.cli.vend_settle:cancel_purchase"),
    ("vend", "readmit", "kwhub.cli.vend_settle:readmit_purchase"),
    ("vend", "settle", "kwhub.cli.vend_settle:settle_purchase"),
    ("vend", "receipt", "kwhub.cli.vend:show_receipt"),
    ("vend", "reconcile", "kwhub.cli.vend:reconcile_books"),
    ("vend", "verify", "kwhub.cli.vend:verify_ledger"),
)
"""Group, name of the command in it, and its function."""


def _tree(*, overview: bool = False) -> App:
    """The commands; for the overview with one line each, else with the help of their functions."""
    tree = App(
        name="kwhub",
        version=__version__,
        help="Read meters, run concentrators and the head-end, decode what passes between them.",
        help_format="markdown",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, function, line in COMMANDS:
        tree.command(function, name=name, **({"help": line} if overview else {}))
    groups = {name: App(name=name.rpartition(" ")[2], help=line) for name, line in GROUPS.items()}
    for group, name, function in GROUPED:
        groups[group].command(function, name=name)
    for name, inner in groups.items():
        above = name.rpartition(" ")[0]
        (groups[above] if above else tree).command(inner)
    return tree


app = _tree()


HELP = ("--help", "-h")

CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (ConfigError, Exit.USAGE),
    (LocalError, Exit.USAGE),
    (Refusal, Exit.NO),
    (KwhubError, Exit.LINK),
    (FileExistsError, Exit.USAGE),
    (FileNotFoundError, Exit.USAGE),
    (IsADirectoryError, Exit.USAGE),
    (NotADirectoryError, Exit.USAGE),
    (PermissionError, Exit.USAGE),
    (OSError, Exit.LINK),
)
"""The first class that fits decides."""


def _leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


def _report(error: Exception, arguments: Sequence[str]) -> int:
    leaves = _leaves(error)
    if not all(isinstance(leaf, KwhubError | OSError) for leaf in leaves):
        raise error
    leaf = leaves[0]
    complain(said(leaf, pick_language(_language(arguments))))
    return next(code for kind, code in CODES if isinstance(leaf, kind))


def _language(arguments: Sequence[str]) -> Language | None:
    """What the command line says of the language."""
    words = " ".join(arguments).replace("--language=", "--language ").split()
    said = [after for word, after in pairwise(words) if word == "--language"]
    return ZH if ZH in said[-1:] else EN if EN in said[-1:] else None


EXTRAS = {
    "bumble": "ble",
    "cryptography": "prepay",
    "gpiod": "gpio",
    "matplotlib": "bench",
    "prometheus_client": "concentrator",
    "psycopg": "postgres",
    "segno": "handheld",
    "textual": "concentrator",
    "weasyprint": "bench",
}
"""The extra that brings a library; the head-end's brings every other."""

EXTRAS_OF_COMMANDS = {"bench": "bench", "infrared": "infrared"}
"""Commands whose extra has the name of their group, whichever library is missing."""


def _missing(error: ImportError, command: str) -> int:
    """A library of an extra that is not installed; anything else is a bug."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    name = getattr(cause, "name", None) or ""
    if not isinstance(cause, ModuleNotFoundError) or name.startswith("kwhub"):
        raise error
    extra = EXTRAS_OF_COMMANDS.get(command) or EXTRAS.get(name.partition(".")[0], "headend")
    complain(f"this command needs {name}; it comes with: pip install 'kwhub[{extra}]'")
    return Exit.USAGE


def run(arguments: Sequence[str]) -> int:
    """Run one command; never shows a traceback for trouble that has a name."""
    tree = app if arguments and arguments[0] not in HELP else _tree(overview=True)
    try:
        return int(tree(list(arguments), exit_on_error=False) or Exit.OK)
    except CycloptsError:
        return Exit.USAGE
    except (BrokenPipeError, KeyboardInterrupt, asyncio.CancelledError):
        return Exit.OK
    except ImportError as error:
        return _missing(error, arguments[0])
    except (KwhubError, OSError, ExceptionGroup) as error:
        return _report(error, arguments)
