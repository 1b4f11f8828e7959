"""The support bundle of a terminal: frames, their meaning, what is known of it, versions, settings without secrets."""

import io
import json
import platform
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

import kwhub
from kwhub.catalog.decoding import explain
from kwhub.headend.config import Config
from kwhub.headend.told import settings_told
from kwhub.headend.web.microscope import FrameLine
from kwhub.protocols.gdw1376.frames import Profile
from kwhub.protocols.gdw1376.profiles import PROFILES

__all__ = ["PACKAGES", "bundle"]

PACKAGES = ("kwhub", "litestar", "numpy", "sqlalchemy", "uvicorn")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the same frames make the same file


def bundle(
    terminal: Mapping[str, Any],
    lines: Sequence[FrameLine],
    config: Config,
    language: str,
    *,
    settings: bool,
) -> bytes:
    """A zip file.

    Args:
        terminal: what is known of it, as JSON takes it.
        lines: its frames, the oldest first.
        config: settings of the head-end.
        language: of the words, ``en`` or ``zh``.
        settings: whether they are in it: they speak of the meters of all organisations.
    """
    made, profile = io.BytesIO(), PROFILES[config.headend.profile]
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {
            "terminal.json": _json(terminal),
            "frames.jsonl": "".join(f"{_frame_json(line)}\n" for line in lines),
            "frames.txt": "\n".join(_frame_text(line, language, profile) for line in lines),
            "versions.json": _json(_versions()),
        }
        if settings:
            files["settings.json"] = _json(settings_told(config))
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), text)
    return made.getvalue()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = kwhub.__version__ if name == "kwhub" else ""
    return found


def _frame_json(line: FrameLine) -> str:
    told = {
        "at": line.at.isoformat(),
        "direction": "down" if line.sent else "up",
        "raw": line.raw.hex(),
        "summary": None if line.summary is None else msgspec.to_builtins(line.summary),
        "trouble": line.trouble,
    }
    return json.dumps(told, ensure_ascii=False)


def _frame_text(line: FrameLine, language: str, profile: Profile) -> str:
    arrow = "<-" if line.sent else "->"
    return f"{line.at.isoformat()} {arrow}\n{explain(line.raw, profile=profile).render(language)}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n"
