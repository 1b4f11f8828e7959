"""``kwhub concentrator check``: what is wrong before anything is started."""

from pathlib import Path

from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
)
from kwhub.concentrator import config as concentrator_config
from kwhub.concentrator.check import Finding, check
from kwhub.domain.errors import ConfigError
from kwhub.runtime.clock import SystemClock

__all__ = ["check_concentrator"]

_WORDS = {"ok": "正常", "warn": "注意", "error": "错误"}


async def check_concentrator(
    config: Path, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Look at the settings, the store, the disk, clock, links, certificates and ports; start nothing.

    The exit code is 0 when nothing is wrong (warnings do not count), 1 when something is, and 2 when the settings
    cannot be understood. Example:

        kwhub concentrator check concentrator.toml

    Parameters
    ----------
    config
        The settings, a TOML file.
    """
    try:
        settings = concentrator_config.load(config)
    except ConfigError as error:
        findings = [Finding("error", "settings", str(error), f"配置有误:{error}")]
        code = Exit.USAGE
    else:
        findings = [
            Finding("ok", "settings", str(config), str(config)),
            *await check(settings, SystemClock().now()),
        ]
        code = Exit.NO if any(each.level == "error" for each in findings) else Exit.OK
    if json:
        print_json({"ok": code is Exit.OK, "findings": [each._asdict() for each in findings]})
        return code
    chinese = pick_language(language) == ZH
    headings = ("结果", "项目", "说明") if chinese else ("Result", "What", "Details")
    rows = [
        (_WORDS[each.level], each.what, each.chinese)
        if chinese
        else (each.level, each.what, each.english)
        for each in findings
    ]
    print_table(headings, rows)
    return code
