"""The thermometer module's protocol: printed frames, both ends, any bytes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.irmodule import (
    ITEMS,
    Answered,
    Asked,
    Client,
    Module,
    ModuleFrame,
    Query,
    Refused,
    Sent,
    TimedOut,
    parse,
)
from kwhub.protocols.irmodule.items import BAUDS, decode, encode
from kwhub.protocols.irmodule.receiver import Received, Receiver
from kwhub.sim.irmodule import IrModule
from kwhub.testing.pair import Pair, drop, flip

PRINTED = [
    ("01 03 01 03 49B0", ModuleFrame(1, 0x03, b"\x03")),
    ("01 43 03 03 2C01 4169", ModuleFrame(1, 0x43, bytes.fromhex("032C01"))),
    ("00 06 02 00 01 8844", ModuleFrame(0, 0x06, bytes.fromhex("0001"))),
    ("01 06 02 01 03 19F9", ModuleFrame(1, 0x06, bytes.fromhex("0103"))),
    ("01 46 01 01 5D20", ModuleFrame(1, 0x46, b"\x01")),
]


def pair_of(module: IrModule, **wire: object) -> Pair:
    machine = Module(module.address)

    def answer(event: object) -> list[object]:
        if not isinstance(event, Asked):
            return []
        reply = module.answer(event.query)
        machine.address = module.address
        return [] if event.silent else [reply]

    return Pair(Client(), machine, answer=answer, **wire)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "frame"), PRINTED)
def test_printed_frames(text: str, frame: ModuleFrame) -> None:
    raw = bytes.fromhex(text)
    assert parse(raw) == frame
    assert frame.to_bytes() == raw
    assert Receiver().feed(raw) == [Received(frame, raw)]


def test_the_printed_exchange() -> None:
    pair = pair_of(IrModule())
    event = pair.ask(Query(1, 3))
    assert event == Answered(1, 3, {"target": Decimal("30.0")}, bytes.fromhex(PRINTED[1][0]))
    assert pair.ask(Query(1, 1, {"baud": Decimal(9600)})).raw == bytes.fromhex(PRINTED[4][0])
    assert isinstance(pair.ask(Query(0, 0, {"address": Decimal(1)})), Sent)


@pytest.mark.parametrize("piece", [1, 2, None])
def test_everything_is_read_and_written(piece: int | None) -> None:
    module = IrModule(target=Decimal("-12.5"), ambient=Decimal("-20.0"))
    pair = pair_of(module, piece_bytes=piece)
    both = {"target": Decimal("-12.5"), "ambient": Decimal("-20.0")}
    assert pair.ask(Query(1, 4)).values == both
    assert pair.ask(Query(1, 5)).values == {"status": Decimal(5)}
    assert pair.ask(Query(1, 2, {"emissivity": Decimal("0.880")})).values == {}
    assert pair.ask(Query(1, 2)).values == {"emissivity": Decimal("0.880")}
    assert isinstance(pair.ask(Query(1, 0, {"address": Decimal(7)})), Answered)
    assert isinstance(pair.ask(Query(1, 3)), TimedOut)
    assert pair.ask(Query(7, 0)).values == {"address": Decimal(7)}


def test_refusals_losses_and_damage() -> None:
    pair = pair_of(IrModule())
    assert isinstance(pair.ask(Query(1, 2, {"emissivity": Decimal("1.5")})), Refused)
    assert isinstance(pair_of(IrModule(), to_answerer=drop(0)).ask(Query(1, 3)), TimedOut)
    assert isinstance(pair_of(IrModule(), to_asker=flip(0, byte=-1)).ask(Query(1, 3)), TimedOut)


@pytest.mark.parametrize(
    "query",
    [
        Query(1, 9),
        Query(0, 3),
        Query(1, 3, {"target": Decimal(1)}),
        Query(1, 1, {"baud": Decimal(300)}),
        Query(1, 2, {}),
        Query(1, 2, {"emissivity": Decimal("0.9501")}),
        Query(1, 2, {"emissivity": Decimal(100)}),
        Query(999, 3),
    ],
)
def test_what_cannot_be_asked(query: Query) -> None:
    with pytest.raises(LocalError):
        Client().send(query, 0.0)


@given(st.integers(0, 247), st.integers(0, 255), st.binary(max_size=60), st.integers(0, 4))
def test_frames_there_and_back(address: int, control: int, data: bytes, preamble: int) -> None:
    frame = ModuleFrame(address, control, data, preamble)
    assert parse(frame.to_bytes()) == frame


@given(st.sampled_from(sorted(ITEMS)), st.data())
def test_items_there_and_back(number: int, data: st.DataObject) -> None:
    item = ITEMS[number]
    bits = 8 * item.field_bytes
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if item.signed else (0, 2**bits - 1)
    whole = st.sampled_from(BAUDS) if number == 1 else st.integers(low, high)
    values = {name: Decimal(data.draw(whole)).scaleb(-item.decimals) for name in item.fields}
    assert decode(item, encode(item, values)) == values


@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_bytes(noise: bytes, preamble: int) -> None:
    try:
        parse(noise)
    except DecodeError as error:
        assert error.detail
    receiver, raw = Receiver(), ModuleFrame(1, 0x43, bytes.fromhex("032C01"), preamble).to_bytes()
    found = [*receiver.feed(noise), *receiver.flush(), *receiver.feed(raw)]
    last = found[-1]
    assert isinstance(last, Received)
    assert last.frame == ModuleFrame(1, 0x43, bytes.fromhex("032C01"))
