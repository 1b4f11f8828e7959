"""``kwhub vend make-keys``: root keys that are drawn inside a token."""

from kwhub.cli.counter import KeyOption, place_of_keys
from kwhub.cli.output import ZH, Exit, JsonFlag, pick_language, print_json, say
from kwhub.domain.errors import ConfigError
from kwhub.headend.vending_token import SCHEME, opened

__all__ = ["make_keys"]


def make_keys(version: int, *, root_key: KeyOption = None, json: JsonFlag = False) -> int:
    """Draw the root keys of a version inside a token, where they stay.

    Each purpose has a key of its own, that can sign and never be read. Two versions may be there while meters
    change over. Example:

        kwhub vend make-keys 1 --root-key 'pkcs11:token=kwhub?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin'
    """
    place = place_of_keys(root_key)
    if not place.startswith(SCHEME):
        raise ConfigError("keys are made in a token only: give --root-key pkcs11:...")
    with opened(place, writable=True) as token:
        token.make(version)
        versions = token.versions
    if json:
        print_json({"versions": versions})
    else:
        text = ", ".join(map(str, versions))
        say(
            f"令牌内的密钥版本：{text}"
            if pick_language() == ZH
            else f"versions in the token: {text}"
        )
    return Exit.OK
