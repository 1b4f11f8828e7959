"""A capture of 4 MiB as columns, against our own ordinary way frame by frame."""

from benchmarks._capture import capture
from benchmarks._peers import rate
from benchmarks.result import Result
from kwhub.protocols.dlt645.bulk import decode_capture
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.receiver import Received, Receiver

__all__ = ["run"]

CAPTURE_BYTES = 4 * 1024 * 1024
ROUNDS = 3
LEAST_RATIO = 20.0


def _one_by_one(stream: bytes) -> list[object]:
    found: list[object] = []
    receiver = Receiver()
    for item in receiver.feed(stream) + receiver.flush():
        if isinstance(item, Received):
            data = item.frame.data
            found.append(decode(int.from_bytes(data[:4], "little"), data[4:])[0].value)
    return found


def run() -> Result:
    """Frames a second of both ways; the promise is twenty times the ordinary one."""
    piece, values = capture(64 * 1024)
    times = CAPTURE_BYTES // len(piece)
    stream = piece * times
    columns = decode_capture(stream)
    if columns.quantities() != values * times or _one_by_one(piece) != values:
        raise SystemExit("the two ways do not agree: nothing to compare")
    return Result(
        "decode 4 MiB in bulk",
        ours=rate(lambda: decode_capture(stream), 1, ROUNDS) * len(columns),
        reference=rate(lambda: _one_by_one(stream), 1, ROUNDS) * len(columns),
        unit="frames/s",
        against="the same, frame by frame",
        least_ratio=LEAST_RATIO,
    )
