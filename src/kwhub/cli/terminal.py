"""``kwhub terminal run`` and ``check``: the collecting terminal as a service, from its settings."""

import asyncio
import signal
from contextlib import closing
from pathlib import Path
from secrets import randbits

from kwhub.cli.logs import LogLevelOption, configure
from kwhub.cli.output import (
    EN,
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
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import ConfigError
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal
from kwhub.terminal.check import Finding, check

__all__ = ["check_terminal_settings", "run_terminal"]

LEVELS_ZH = {"ok": "正常", "warn": "注意", "error": "错误"}
HEADINGS = {EN: ("Result", "What", "Details"), ZH: ("结果", "项目", "说明")}
STARTED = {
    EN: "Terminal {address}: {count} channels; waiting on {link}",
    ZH: "采集终端 {address}: {count} 个通道; 监听 {link}",
}


async def run_terminal(
    config: Path,
    *,
    json: JsonFlag = False,
    language: LanguageOption = None,
    log_level: LogLevelOption = "info",
) -> int:
    """Run a collecting terminal until Ctrl-C: count pulses, freeze, answer handhelds.

    SIGPWR, which a supply with a warning contact sends, has the counts made durable at once. Example:

        kwhub terminal run terminal.toml

    Parameters
    ----------
    config
        The settings, a TOML file.
    """
    configure(log_level, json=json)
    cancel_on_terminate()
    settings = terminal_config.load(config)
    shown = pick_language(language)
    with closing(Terminal(settings, SystemClock(), chance=seeded(randbits(63)))) as terminal:
        asyncio.get_running_loop().add_signal_handler(signal.SIGPWR, terminal.power_fails)
        address, count = settings.terminal.address, len(settings.channel)

        def ready(link: str) -> None:
            if json:
                print_json({"terminal": address, "channels": count, "link": link})
            else:
                say(STARTED[shown].format(address=address, count=count, link=link))

        terminal.ready = ready
        await terminal.run()
    return Exit.OK


def check_terminal_settings(
    config: Path, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Look at the settings, passwords, inputs, store and links of a terminal; start nothing.

    It also measures how long one commit of the counts takes: so long must the supply hold after its warning. The exit
    code is 0 when nothing is wrong (warnings do not count), 1 when something is, and 2 when the settings
    cannot be understood. Example:

        kwhub terminal check terminal.toml

    Parameters
    ----------
    config
        The settings, a TOML file.
    """
    try:
        settings = terminal_config.load(config)
    except ConfigError as error:
        findings = [Finding("error", "settings", str(error), str(error))]
        code = Exit.USAGE
    else:
        findings = [
            Finding("ok", "settings", str(config), str(config)),
            *check(settings, SystemClock()),
        ]
        code = Exit.NO if any(each.level == "error" for each in findings) else Exit.OK
    if json:
        print_json({"ok": code is Exit.OK, "findings": [each._asdict() for each in findings]})
    else:
        _show(findings, pick_language(language))
    return code


def _show(findings: list[Finding], language: Language) -> None:
    rows = [
        (LEVELS_ZH[each.level], each.what, each.chinese)
        if language == ZH
        else (each.level, each.what, each.english)
        for each in findings
    ]
    print_table(HEADINGS[language], rows)
