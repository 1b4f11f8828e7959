"""``kwhub vend remote``: a sale that the head-end brings to the meter over its terminal."""

import json as js
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cyclopts import Parameter

from kwhub.cli.output import ZH, Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.domain.errors import ConfigError, LinkDown, NoAnswer, Refusal

__all__ = ["sell_remote"]

_VARIABLE = "KWHUB_API_KEY"
_WAIT_S = 120.0
"""A concentrator may be slow, and the purchase is several exchanges with the meter."""

_OUTCOMES: Final[Mapping[str, tuple[str, str, Exit]]] = {
    "done": ("the meter has it", "已写入电表", Exit.OK),
    "already": ("the meter has it already", "电表内已有此次购电", Exit.OK),
    "refused": ("the meter refuses it", "电表拒绝", Exit.NO),
    "unknown": (
        "no answer: the head-end brings it again; give the same command to look",
        "无应答：主站会重送；可再次执行本命令查看",
        Exit.LINK,
    ),
}

_IN: Final = ("done", "already")
_UNPROVEN: Final = (
    "the meter has this number, but nothing shows that it was this sale: a second person settles it",
    "电表内已有此次数，但未证明就是本次售电：须由另一人核定",
    Exit.NO,
)


def sell_remote(
    amount: str,
    *,
    meter: Annotated[str, Parameter(help="Number of the meter, 12 digits.")],
    payment: Annotated[str, Parameter(help="Reference of the payment; again is the same sale.")],
    headend: Annotated[str, Parameter(help="Pages of the head-end.")] = "http://127.0.0.1:8080/",
    key_file: Annotated[
        Path | None,
        Parameter(help=f"File with an API key that may sell; otherwise {_VARIABLE} holds the key."),
    ] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Sell over the line: the head-end signs the purchase and brings it to the meter (070102FF).

    After any doubt give the same command again: the payment makes it the same sale. The exit code is 1 when
    head-end or meter refuse, or nothing shows that the number in the meter is this sale, and 3 when one of them is silent. Example:

        kwhub vend remote 50.00 --meter 202611200001 --payment R-1 --key-file sales.key
    """
    body = {"meter": meter, "amount": amount, "payment": payment}
    told = _post(_address(headend), body, _key(key_file))
    is_proven = told["state"] == "confirmed" or told["outcome"] not in _IN
    outcome = _OUTCOMES[told["outcome"]] if is_proven else _UNPROVEN
    if json:
        print_json(told)
    elif pick_language(language) == ZH:
        say(f"表 {told['meter']} 第 {told['count']} 次购电 {told['amount']}：{outcome[1]}")
    else:
        say(f"meter {told['meter']}: purchase {told['count']}, {told['amount']}: {outcome[0]}")
    return outcome[2]


def _address(headend: str) -> str:
    parts = urlsplit(headend)
    is_here = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ConfigError("https://HOST/, or http:// on this computer only", key="--headend")
    return f"{headend.rstrip('/')}/api/v1/purchases"


def _key(file: Path | None) -> str:
    found = file.read_text("ascii") if file is not None else os.environ.get(_VARIABLE, "")
    if not found.strip():
        raise ConfigError(f"give --key-file, or an API key in {_VARIABLE}")
    return found.strip()


def _post(address: str, body: Mapping[str, str], key: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = Request(address, js.dumps(body).encode(), headers, method="POST")  # noqa: S310 - checked
    try:
        with urlopen(request, timeout=_WAIT_S) as answer:  # noqa: S310 - checked
            told: dict[str, Any] = js.load(answer)
    except HTTPError as error:
        raise Refusal((_problem(error),)) from None
    except TimeoutError:
        raise NoAnswer("the head-end does not answer; give the same command again") from None
    except (URLError, OSError) as error:
        raise LinkDown(f"{address}: {getattr(error, 'reason', error)}") from None
    return told


def _problem(error: HTTPError) -> str:
    """What the head-end says (RFC 9457)."""
    try:
        said = js.load(error)
    except ValueError:
        return f"the head-end says {error.code}"
    return str(said.get("detail") or said.get("title") or error.code)
