"""AFN 10: data forwarding, how a head-end reaches a meter directly; down with PW.

Source: Q/GDW 1376.1-2013, clause 5.15, F1; F9 is single source. The preamble bytes FE of DL/T 645 do not
stand in the data.
"""

from dataclasses import dataclass

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import A12, BIN1, BIN2, BIN4
from kwhub.protocols.gdw1376.layouts import Blob, Field, Repeat, Row, measure
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "AFN",
    "BAUDS",
    "READ_DIRECT",
    "READ_RESULTS",
    "ROWS",
    "TRANSPARENT",
    "DirectRead",
    "DirectReadAnswer",
    "Forward",
    "ForwardAnswer",
    "LineControl",
]

AFN = 0x10
TRANSPARENT = 1
READ_DIRECT = 9
PAYLOAD_BYTES_MAX = 16_000

BAUDS = (300, 600, 1200, 2400, 4800, 7200, 9600, 19_200)
"""Bits a second by D7-D5 of the control byte."""

_SECONDS_MAX = 127
_BYTE_GAP_MS_MAX = 2550


@dataclass(frozen=True, slots=True)
class LineControl:
    """Line settings of a transparent forwarding."""

    baud: int = 2400
    parity: str = "even"  #: ``none``, ``even`` or ``odd``
    data_bits: int = 8
    stop_bits: int = 1

    @classmethod
    def from_byte(cls, byte: int) -> "LineControl":
        """D7-D5 baud, D4 stop bits, D3 parity on, D2 odd, D1-D0 data bits less 5.

        >>> LineControl.from_byte(0x6B)
        LineControl(baud=2400, parity='even', data_bits=8, stop_bits=1)
        """
        parity = ("odd" if byte & 4 else "even") if byte & 8 else "none"
        return cls(BAUDS[byte >> 5], parity, 5 + (byte & 3), 2 if byte & 0x10 else 1)

    def to_byte(self) -> int:
        """The control byte. Raises LocalError.

        >>> hex(LineControl().to_byte())
        '0x6b'
        """
        parities = {"none": 0, "even": 8, "odd": 12}
        known = self.parity in parities and self.baud in BAUDS
        if not known or not 5 <= self.data_bits <= 8 or self.stop_bits not in {1, 2}:
            raise LocalError(f"{self} cannot be said in a control byte")
        stop = 0x10 if self.stop_bits == 2 else 0
        return BAUDS.index(self.baud) << 5 | stop | parities[self.parity] | (self.data_bits - 5)


def _line_words(byte: int) -> tuple[str, str]:
    line = LineControl.from_byte(byte)
    parity_zh = {"none": "无", "even": "偶", "odd": "奇"}[line.parity]
    bits = f"{line.data_bits} data bits, {line.stop_bits} stop bit{'s'[: line.stop_bits - 1]}"
    return (
        f"{line.baud} bit/s, {line.parity} parity, {bits}",
        f"{line.baud} bit/s，{parity_zh}校验，{line.data_bits}位数据位，{line.stop_bits}位停止位",
    )


def _timeout_words(byte: int) -> tuple[str, str]:
    value = byte & 0x7F
    text = f"{value} s" if byte & 0x80 else f"{value * 10} ms"
    return text, text


def _gap_words(byte: int) -> tuple[str, str]:
    return f"{byte * 10} ms", f"{byte * 10} ms"


_DOWN = (
    Field("port", "终端通信端口号", BIN1),
    Field("line control", "透明转发通信控制字", BIN1, tell=_line_words),
    Field("message timeout", "透明转发接收等待报文超时时间", BIN1, tell=_timeout_words),
    Field("byte timeout", "透明转发接收等待字节超时时间", BIN1, tell=_gap_words),
    Field("length", "透明转发内容字节数k", BIN2, "byte", key="k"),
    Blob("payload", "透明转发内容", "k"),
)
_UP = (
    Field("port", "终端通信端口号", BIN1),
    Field("length", "透明转发内容字节数k", BIN2, "byte", key="k"),
    Blob("payload", "透明转发内容", "k"),
)
_READ_DIRECTLY = (
    Field("port", "终端通信端口号", BIN1),
    Field("relay level", "转发中继级数", BIN1, key="level"),
    Repeat("level", (Field("relay address", "中继地址", A12),)),
    Field("meter address", "转发目标地址", A12),
    Field("identifier type", "转发直接抄读的数据标识类型", BIN1),
    Field("identifier", "转发直接抄读的数据标识", BIN4),
)

READ_RESULTS: dict[int, tuple[str, str]] = {
    0: ("cannot forward", "不能执行转发"),
    1: ("timeout", "转发接收超时"),
    2: ("bad frame", "转发接收错误"),
    3: ("confirmed", "转发接收确认"),
    4: ("denied", "转发接收否认"),
    5: ("data", "转发接收数据"),
}
"""Result byte of F9 (single source)."""


def _result_words(code: int) -> tuple[str, str]:
    return READ_RESULTS.get(code, (f"reserved ({code})", f"备用（{code}）"))


_READ_RESULT = (
    Field("port", "终端通信端口号", BIN1),
    Field("meter address", "转发目标地址", A12),
    Field("result", "转发结果标识", BIN1, tell=_result_words),
    Field("length", "转发直接抄读数据内容字节数k", BIN1, "byte", key="k"),
    Blob("identifier and data", "数据标识及内容", "k"),
)

ROWS = (
    Row(TRANSPARENT, "transparent forwarding", "透明转发", _DOWN, _UP, "clause 5.15, F1"),
    Row(
        9,
        "read a meter directly",
        "转发主站直接对电表的抄读数据命令",
        _READ_DIRECTLY,
        _READ_RESULT,
        "clause 5.15, F9",
        single_source=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask the terminal to put bytes on a port and to send back what comes (F1, down)."""

    port: int
    payload: bytes
    line: LineControl = LineControl()
    message_timeout_s: float = (
        10.0  #: steps of 10 ms up to 1.27 s, above in steps of 1 s rounded up, up to 127 s
    )
    byte_timeout_ms: int = 100  #: steps of 10 ms

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        if len(self.payload) > PAYLOAD_BYTES_MAX or not 0 <= self.port <= 0xFF:
            raise LocalError(f"port {self.port} with {len(self.payload)} bytes cannot be forwarded")
        if not 0 <= self.byte_timeout_ms <= _BYTE_GAP_MS_MAX:
            raise LocalError(f"byte timeout {self.byte_timeout_ms} ms, at most {_BYTE_GAP_MS_MAX}")
        timeouts = [_timeout_byte(self.message_timeout_s), self.byte_timeout_ms // 10]
        head = bytes([self.port, self.line.to_byte(), *timeouts])
        size = len(self.payload).to_bytes(2, "little")
        return Unit((0,), (TRANSPARENT,), head + size + self.payload)

    @classmethod
    def from_unit(cls, unit: Unit) -> "Forward":
        """Read F1 as it goes down. Raises DecodeError."""
        measure(_DOWN, unit.data)
        port, line, wait, gap = unit.data[:4]
        seconds = (wait & 0x7F) * (1.0 if wait & 0x80 else 0.01)
        return cls(port, _payload(unit.data, 4), LineControl.from_byte(line), seconds, gap * 10)


@dataclass(frozen=True, slots=True)
class ForwardAnswer:
    """What came back on the port (F1, up); an empty payload says that the meter was silent."""

    port: int
    payload: bytes

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        if len(self.payload) > PAYLOAD_BYTES_MAX or not 0 <= self.port <= 0xFF:
            raise LocalError(f"port {self.port} with {len(self.payload)} bytes cannot be answered")
        size = len(self.payload).to_bytes(2, "little")
        return Unit((0,), (TRANSPARENT,), bytes([self.port]) + size + self.payload)

    @classmethod
    def from_unit(cls, unit: Unit) -> "ForwardAnswer":
        """Read F1 as it comes up. Raises DecodeError."""
        measure(_UP, unit.data)
        return cls(unit.data[0], _payload(unit.data, 1))


@dataclass(frozen=True, slots=True)
class DirectRead:
    """Ask the terminal to read an identifier of a meter (F9, down); single source."""

    port: int
    address: str  #: twelve digits
    identifier: int  #: of DL/T 645
    kind: int = 1  #: type of the identifier: 0 of 1997, 1 of 2007
    relays: tuple[str, ...] = ()

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        relays = b"".join(map(A12.encode, self.relays))
        head = BIN1.encode(self.port) + BIN1.encode(len(self.relays)) + relays
        tail = A12.encode(self.address) + BIN1.encode(self.kind) + BIN4.encode(self.identifier)
        return Unit((0,), (READ_DIRECT,), head + tail)

    @classmethod
    def from_unit(cls, unit: Unit) -> "DirectRead":
        """Read F9 as it goes down. Raises DecodeError."""
        data = unit.data
        size = measure(_READ_DIRECTLY, data)
        if size != len(data):
            raise DecodeError("length", f"{len(data)} bytes where {size} belong")
        stop = 2 + A12.size * data[1]
        relays = tuple(_address(data[at : at + A12.size]) for at in range(2, stop, A12.size))
        rest = data[stop:]
        identifier = int.from_bytes(rest[-BIN4.size :], "little")
        return cls(data[0], _address(rest[: A12.size]), identifier, rest[A12.size], relays)


@dataclass(frozen=True, slots=True)
class DirectReadAnswer:
    """What became of a direct read (F9, up); single source."""

    port: int
    address: str
    result: int  #: key of READ_RESULTS
    content: bytes = b""  #: identifier (four bytes, low byte first) and data

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        if len(self.content) > 0xFF:
            raise LocalError(f"{len(self.content)} bytes of content, at most 255")
        head = BIN1.encode(self.port) + A12.encode(self.address) + BIN1.encode(self.result)
        return Unit((0,), (READ_DIRECT,), head + bytes([len(self.content)]) + self.content)

    @classmethod
    def from_unit(cls, unit: Unit) -> "DirectReadAnswer":
        """Read F9 as it comes up. Raises DecodeError."""
        measure(_READ_RESULT, unit.data)
        head = A12.size + 1
        address = _address(unit.data[1:head])
        return cls(unit.data[0], address, unit.data[head], unit.data[head + 2 :])


def _address(raw: bytes) -> str:
    """Twelve digits of an address. Raises DecodeError."""
    found = A12.decode(raw)
    if found is None:
        raise DecodeError("not_bcd", "an address without digits")
    return found


def _payload(data: bytes, at: int) -> bytes:
    size = int.from_bytes(data[at : at + 2], "little")
    if len(data) != at + 2 + size:
        raise DecodeError("length", f"k is {size}, {len(data) - at - 2} bytes follow", offset=at)
    return data[at + 2 :]


def _timeout_byte(seconds: float) -> int:
    steps = round(seconds * 100)
    if 0 <= steps <= 0x7F:
        return steps
    whole = -(-steps // 100)
    if not 0 < whole <= _SECONDS_MAX:
        raise LocalError(f"message timeout {seconds} s, at most {_SECONDS_MAX}")
    return 0x80 | whole
