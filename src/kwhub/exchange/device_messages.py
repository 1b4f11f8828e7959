"""What a field device and the head-end say to each other inside TLS: plain structures as JSON, each with its length.

A message is four bytes with its length (high byte first) and one JSON object. Who the device is does not stand in a
message: the head-end takes it from the certificate. Times are whole seconds since 1970 UTC.

Source: kwhub; the order of events at enrolment and renewal follows RFC 7030 (simpleenroll, simplereenroll).
"""

from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kwhub.domain.errors import DecodeError, Refusal

__all__ = [
    "HEAD_END_NAME",
    "MESSAGE_BYTES_MAX",
    "REFUSED",
    "WORDS",
    "Answer",
    "Authorities",
    "Carried",
    "Carry",
    "Certified",
    "Denial",
    "Denied",
    "DeviceReading",
    "Ended",
    "Enrol",
    "Envelope",
    "FetchAuthorities",
    "FetchWork",
    "Found",
    "Grant",
    "Greet",
    "NotTaken",
    "Operation",
    "Propose",
    "Proposed",
    "Query",
    "RefusedReading",
    "Renew",
    "Reply",
    "Request",
    "Row",
    "Taken",
    "Unpacker",
    "Upload",
    "Welcome",
    "Work",
    "WorkMeter",
    "WorkOrder",
    "denial",
    "pack",
]

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Longer ones are no messages; an upload of 10,000 readings has about 2 MB."""

HEAD_END_NAME: Final = "head-end.kwhub"
"""The name in the head-end's certificate, wherever it listens: devices trust its own CA only."""

READINGS_MAX = 10_000
"""Readings of one upload."""

_LENGTH_BYTES = 4

Operation: TypeAlias = Literal["read", "infrared-login", "set-time", "freeze"]
"""What a device may do by itself; all else is an order that the head-end makes for one meter."""

Denial: TypeAlias = Literal[
    "unknown", "dead", "locked", "lost", "retired", "expired", "secret", "order", "meter", "request"
]
"""Why the head-end says no."""

WORDS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "unknown": ("the head-end does not know this identity", "主站不认识此身份"),
        "dead": (
            "an identity that was replaced has been used again; the device is locked",
            "已更换的身份再次被使用，设备已锁定",
        ),
        "locked": ("the device is locked; ask the head-end's staff", "设备已锁定，请联系主站人员"),
        "lost": ("the device was reported lost", "设备已挂失"),
        "retired": ("the device was retired", "设备已停用"),
        "expired": ("the identity has expired: only renewal works", "身份已过期，只能续期"),
        "secret": (
            "the enrolment secret is wrong, used or too old; have the device allocated again",
            "登记密钥错误、已用或过期，请重新分配设备",
        ),
        "order": ("there is no such open order", "没有此待执行命令"),
        "meter": (
            "the meter is neither in the work nor in the area of this device",
            "该电表不属于本设备的工单或台区",
        ),
        "request": ("the head-end cannot make sense of the request", "主站无法理解此请求"),
    }
)
"""Each reason in English and Chinese."""

NotTaken: TypeAlias = Literal["work", "future", "old", "early", "late"]
"""Why the head-end does not take a reading."""

REFUSED: MappingProxyType[NotTaken, tuple[str, str]] = MappingProxyType(
    {
        "work": ("no work of this device is to read the meter", "本设备无抄读此表的工单"),
        "future": ("it is dated in the future", "时间在未来"),
        "old": ("it is too old", "数据过旧"),
        "early": ("it is dated before its work was given", "时间早于工单下达"),
        "late": ("it is dated after the time of its work was over", "时间晚于工单有效期"),
    }
)
"""Each reason in English and Chinese."""

Text = Annotated[str, Meta(max_length=500)]
MeterAddress = Annotated[str, Meta(pattern=r"^\d{12}$")]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """Base of what travels in an envelope."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what stands inside a message."""


class FetchAuthorities(_Message, frozen=True):
    """Before trust: the root certificate, to be compared with the digest that came by another way."""


class Authorities(_Message, frozen=True):
    """The root certificate in PEM."""

    root: str


class Enrol(_Message, frozen=True):
    """First request of a device, with the secret of its allocation; the same again gets the same answer."""

    device: Text
    secret: Text
    signing_request: Annotated[str, Meta(max_length=8_000)]  #: PKCS #10 in PEM


class Renew(_Message, frozen=True):
    """Ask for the next generation, with a key that was never used; the same again gets the same answer."""

    signing_request: Annotated[str, Meta(max_length=8_000)]


class Certified(_Message, frozen=True):
    """A certificate with its chain, PEM; becomes current when it is used for the first time."""

    device: str
    generation: int
    chain: str


class Greet(_Message, frozen=True):
    """Show the identity and hear what holds."""


class Welcome(_Message, frozen=True):
    """The device is admitted."""

    device: str
    generation: int
    not_after: int


class Grant(_Part, frozen=True):
    """Leave to do something at one meter, a number of times, until a moment; without the head-end."""

    id: int
    meter: MeterAddress
    operation: Operation
    uses: Annotated[int, Meta(ge=1)]
    not_after: int


class WorkMeter(_Part, frozen=True):
    """A meter to be visited, with what the technician needs on the spot."""

    address: MeterAddress
    terminal: Text = ""  #: of the collecting terminal that it is behind
    area: Text = ""
    protocol: Text = "dlt645-2007"
    place: Text = ""
    customer: Text = ""
    paying: Text = ""
    balance: Decimal | None = None
    registers: tuple[str, ...] = ()


class WorkOrder(_Part, frozen=True):
    """Something to be done in the field."""

    id: int
    kind: Text  #: read, collect, set-time, relay ...
    note: Text
    not_after: int
    meters: tuple[WorkMeter, ...]
    grants: tuple[Grant, ...] = ()
    carry: int | None = None  #: number of the order to carry, for what only the head-end may do


class FetchWork(_Message, frozen=True):
    """Ask for the open work orders."""


class Work(_Message, frozen=True):
    """All open work orders of the device."""

    orders: tuple[WorkOrder, ...]


class DeviceReading(_Part, frozen=True):
    """One value that the device has read."""

    meter: MeterAddress
    register: Annotated[str, Meta(max_length=24)]
    value: Decimal | None
    unit: Annotated[str, Meta(max_length=16)]
    captured_at: int
    interval_s: Annotated[int, Meta(ge=0)] = 0


class Upload(_Message, frozen=True):
    """Readings under a name of the device's own choice; the same name again adds nothing."""

    id: Annotated[str, Meta(min_length=8, max_length=64)]
    work: int | None
    readings: Annotated[tuple[DeviceReading, ...], Meta(max_length=READINGS_MAX)]
    used: tuple[tuple[int, int], ...] = ()  #: number of a grant, and how often it was used by now
    finished: bool = False  #: the work order is done with this


class RefusedReading(_Part, frozen=True):
    """A reading that is not taken: its place in the upload, from 0, and why."""

    place: int
    reason: NotTaken


class Taken(_Message, frozen=True):
    """The readings are stored but those that are refused; ``repeated`` when they had been before."""

    id: str
    count: int
    repeated: bool
    refused: tuple[RefusedReading, ...] = ()


class Query(_Message, frozen=True):
    """What the head-end knows about a meter."""

    meter: MeterAddress


class Row(_Part, frozen=True):
    """A name and a value, as text; the name of a value that a meter showed is its OBIS code."""

    name: str
    value: str
    at: int = 0  #: when the meter showed it, seconds since 1970 UTC; 0: it is no such value


class Found(_Message, frozen=True):
    """The answer to a query; empty when the meter is not known."""

    meter: str
    rows: tuple[Row, ...]


class Carry(_Message, frozen=True):
    """Begin an order (step 0), or bring what the meter has answered to a step; empty: nothing."""

    order: int
    step: Annotated[int, Meta(ge=0)]
    answer: Annotated[bytes, Meta(max_length=1_000)] = b""


class Carried(_Message, frozen=True):
    """The next frame for the meter; wait for the answer, then ``Carry`` it with this step."""

    order: int
    step: int
    meter: str
    frame: bytes


class Ended(_Message, frozen=True):
    """The order is over."""

    order: int
    obeyed: bool
    detail: str


class Propose(_Message, frozen=True):
    """Ask people at the head-end to order something of a collecting terminal; nothing happens before they agree."""

    terminal: MeterAddress
    operation: Annotated[str, Meta(max_length=32)]
    detail: Annotated[str, Meta(max_length=200)]


class Proposed(_Message, frozen=True):
    """It waits, as an order of this number."""

    order: int


class Denied(_Message, frozen=True):
    """No; see ``WORDS``."""

    reason: Denial
    detail: str = ""


Request: TypeAlias = (
    FetchAuthorities | Enrol | Greet | Renew | FetchWork | Upload | Query | Carry | Propose
)
Answer: TypeAlias = (
    Authorities | Certified | Welcome | Work | Taken | Found | Carried | Ended | Proposed | Denied
)


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request on its way."""

    number: int  #: of this connection, repeated by the reply
    body: Request
    operator: Annotated[str, Meta(max_length=100)] = ""
    lent_to: Annotated[str, Meta(max_length=100)] = ""  #: who asks through this device's channel


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer on its way, with the head-end's time."""

    number: int
    now: int
    body: Answer


def denial(denied: Denied) -> Refusal:
    """What to raise for it; the Chinese words stand in ``WORDS``."""
    words = WORDS[denied.reason][0]
    return Refusal((f"{words}: {denied.detail}" if denied.detail else words,))


def pack(message: Envelope | Reply) -> bytes:
    """The bytes of a message.

    Raises:
        DecodeError: it is too long.
    """
    body = msgspec.json.encode(message)
    if len(body) > MESSAGE_BYTES_MAX:
        raise DecodeError(
            "too_long", f"a message has {len(body)} bytes, {MESSAGE_BYTES_MAX} at most"
        )
    return len(body).to_bytes(_LENGTH_BYTES) + body


class Unpacker:
    """Bytes in, messages out; one for each connection."""

    def __init__(self, kind: type[Envelope] | type[Reply], bytes_max: int | None = None) -> None:
        """Take what is expected: envelopes at the head-end, replies at the device; and how long at most."""
        self._bytes_max = bytes_max or MESSAGE_BYTES_MAX
        self._decoder: msgspec.json.Decoder[Envelope | Reply] = msgspec.json.Decoder(kind)
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Envelope | Reply]:
        """Take bytes; return the messages that are whole now.

        Raises:
            DecodeError: what comes is no message; nothing after it can be understood.
        """
        self._waiting += data
        found: list[Envelope | Reply] = []
        while len(self._waiting) >= _LENGTH_BYTES:
            length = int.from_bytes(self._waiting[:_LENGTH_BYTES])
            if length > self._bytes_max:
                raise DecodeError("too_long", f"a message of {length} bytes is announced", offset=0)
            end = _LENGTH_BYTES + length
            if len(self._waiting) < end:
                break
            body = bytes(self._waiting[_LENGTH_BYTES:end])
            del self._waiting[:end]
            try:
                found.append(self._decoder.decode(body))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise DecodeError("bad_message", f"not a message: {error}") from error
        return found
