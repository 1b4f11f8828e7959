"""Settings as they may be told: without passwords, keys, and addresses that carry either."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from kwhub.headend.config import Config

__all__ = ["SECRET", "settings_told", "without_secrets"]

SECRET = "(left out)"  # noqa: S105  stands in the place of one
_SECRET_WORDS = ("secret", "password", "token", "key", "certificate")


def settings_told(config: Config) -> dict[str, Any]:
    """The settings of the service, without secrets and without the archive."""
    told: dict[str, Any] = msgspec.to_builtins(config)
    told.pop("area", None)
    return {name: without_secrets(name, value) for name, value in told.items()}


def without_secrets(name: str, value: Any) -> Any:
    """A value of a setting, as JSON takes it, with ``SECRET`` in the place of what is one."""
    if isinstance(value, dict):
        return {key: without_secrets(str(key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(name, each) for each in value]
    if isinstance(value, str):
        if value and any(word in name.lower() for word in _SECRET_WORDS):
            return SECRET
        if "@" in value or ("://" in value and urlsplit(value).query):
            return f"{value.partition('://')[0]}://{SECRET}"
    return value
