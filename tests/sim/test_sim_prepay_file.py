"""A meter whose memories are files goes on where its process was killed."""

import pytest
from tests.sim.prepay_site import KEYS, METER, draw

from kwhub.domain.errors import ConfigError
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import factor_of
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_file import FileMemory
from kwhub.sim.prepay_store import MEMORY_BYTES, Account


def test_two_files_hold_a_whole_meter(tmp_path):
    chip, own = (
        FileMemory(tmp_path / name, size)
        for name, size in (("chip", ELEMENT_BYTES), ("own", MEMORY_BYTES))
    )
    element = SoftwareElement(chip, draw("file"))
    element.personalise(b"SERIAL01", bytes.fromhex(METER), KEYS.key_set(factor_of(METER)))
    PrepaymentUnit(element, own).core.store.keep(Account(balance=5, count=3, is_open=True))
    chip.close()
    own.close()
    chip, own = (
        FileMemory(memory.path, memory_size)
        for memory, memory_size in ((chip, ELEMENT_BYTES), (own, MEMORY_BYTES))
    )
    unit = PrepaymentUnit(SoftwareElement(chip, draw("file")), own)
    assert unit.core.store.account == Account(balance=5, count=3, is_open=True)
    assert unit.core.meter_number.hex() == METER
    chip.close()
    own.close()


def test_a_file_that_is_no_memory_is_refused(tmp_path):
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(ConfigError, match="has 1 bytes"):
        FileMemory(tmp_path / "short", 64)
    with pytest.raises(ConfigError, match="cannot be used"):
        FileMemory(tmp_path, 64)
