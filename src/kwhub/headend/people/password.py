"""Passwords: which are taken, how they are hashed and compared.

Source: RFC 7914 (scrypt); NIST SP 800-63B, section 5.1.1.2 (length and known bad ones instead of rules of composition).
"""

import base64
import binascii
import hashlib
import secrets
import unicodedata
from functools import cache

from kwhub.headend.people import secret

__all__ = ["LENGTH_MAX", "LENGTH_MIN", "WORK", "hashed", "matches", "spend", "stale", "trouble"]

LENGTH_MIN = 10
LENGTH_MAX = 256
WORK = 15
"""Binary logarithm of scrypt's N: 32 MiB of memory with r = 8."""

_BLOCK, _LANES = 8, 3
_SALT_BYTES, _HASH_BYTES = 16, 32
_DISTINCT_MIN = 4

_COMMON_TEXT = """
0123456789 0987654321 1111111111 1122334455 123123123123 1234512345 123456123456
1234567890 12345678900 12345678910 123456789a 1234abcd1234 147258369 1q2w3e4r5t
1qaz2wsx3edc 5201314520 9876543210 a123456789 a1234567890 aa12345678 aa123456789
abc1234567 abc123456789 abcd123456 abcd1234abcd abcdefghij admin12345 admin123456
admin@1234 administrator asdfasdfasdf asdfghjkl1 asdfghjkl; changeme123 dianwang123
football123 iloveyou123 iloveyou1314 letmein123 letmein1234 meter12345 p@ssw0rd12
p@ssw0rd123 passw0rd123 password01 password1! password12 password123 password1234
password12345 passwordpassword q1w2e3r4t5 qazwsxedcrfv qq123456789 qwe123456789
qwer12345678 qwerqwerqwer qwerty12345 qwerty123456 qwertyuiop qwertyuiop123 qwertyuiop[]
welcome123 welcome1234 woaini1314 woaini1314520 woaini520 woaini521314 zhangwei123
zxcvbnm123 zxcvbnm1234 zxcvbnm,./
"""
_COMMON = frozenset(_COMMON_TEXT.split())
"""The commonest ones that are long enough; shorter ones are refused for their length."""


def trouble(password: str, name: str) -> str:
    """Why a password is not taken: short, long, common, name; empty when it is."""
    plain = _plain(password)
    folded = plain.casefold()
    if len(plain) < LENGTH_MIN:
        return "short"
    if len(plain) > LENGTH_MAX:
        return "long"
    if folded in _COMMON or len(set(folded)) < _DISTINCT_MIN:
        return "common"
    return "name" if name and name.casefold() in folded else ""


def hashed(password: str, work: int = WORK) -> str:
    """The text that is stored: method, parameters, salt and hash."""
    salt = secrets.token_bytes(_SALT_BYTES)
    raw = _scrypt(password, salt, work, _BLOCK, _LANES)
    return f"scrypt${work}${_BLOCK}${_LANES}${_text(salt)}${_text(raw)}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the stored one."""
    try:
        method, work, block, lanes, salt, wanted = stored.split("$")
        raw = _scrypt(password, base64.b64decode(salt), int(work), int(block), int(lanes))
        return method == "scrypt" and secret.same(raw, base64.b64decode(wanted))
    except (ValueError, binascii.Error):
        return False


def stale(stored: str, work: int) -> bool:
    """Whether a stored hash was made with other parameters than are wanted today."""
    return stored.split("$")[:4] != ["scrypt", str(work), str(_BLOCK), str(_LANES)]


def spend(password: str, work: int) -> None:
    """Take as long as a comparison, so that nobody learns from the time which names exist."""
    matches(password, _nobody(work))


@cache
def _nobody(work: int) -> str:
    return hashed(secret.new(), work)


def _scrypt(password: str, salt: bytes, work: int, block: int, lanes: int) -> bytes:
    cost = 1 << work
    return hashlib.scrypt(
        _plain(password)[: LENGTH_MAX + 1].encode("utf-8", "replace"),
        salt=salt,
        n=cost,
        r=block,
        p=lanes,
        maxmem=128 * block * (cost + lanes + 2) * 2,
        dklen=_HASH_BYTES,
    )


def _plain(password: str) -> str:
    """The same password whatever keyboard or system composed its characters."""
    return unicodedata.normalize("NFKC", password)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
