"""The runs of values behind sparse pages, and the rows behind dense ones."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from event_store.lookup.cells import Cells
from event_store.lookup.extents import Extents

MIB = 1 << 20


def put(extents, rows, lengths):
    """Give each row values that are told apart by the row and their place."""
    rows, lengths = np.array(rows, np.int32), np.array(lengths, np.int64)
    extents.put(
        rows, np.concatenate([wanted(*of) for of in zip(rows, lengths, strict=True)]), lengths
    )


def wanted(row, length):
    return (int(row) * 1000 + np.arange(length)).astype(np.int32)


def test_values_stay_what_they_are_however_they_are_moved():
    """Random rows put, dropped and renumbered, within the bound and above it."""
    rng = np.random.default_rng(8)
    extents, model = Extents(500, MIB // 4), {}
    for _ in range(400):
        free = [row for row in range(500) if row not in model]
        fresh = rng.choice(free, min(len(free), int(rng.integers(1, 60))), replace=False).tolist()
        lengths = rng.integers(1, 900, len(fresh)).tolist()
        put(extents, fresh, lengths)
        model.update(zip(fresh, lengths, strict=True))
        share = rng.choice([0.02, 0.1, 0.9])
        gone = [row for row in model if rng.random() < share]
        extents.drop(np.array(gone, np.int32))
        for row in gone:
            del model[row]
        extents.trim(int(rng.integers(0, 1 << 16)))
        for row, length in model.items():
            np.testing.assert_array_equal(extents.get(row), wanted(row, length))
        assert extents.values[0] == 0


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_moving_values_takes_no_second_copy_of_them():
    """While values are moved together memory stays near what they take."""
    extents = Extents(20_000, 40 * MIB)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    for first in range(0, 20_000, 100):
        put(extents, range(first, first + 100), [500] * 100)
    for first in range(0, 20_000, 100):
        extents.drop(np.arange(first, first + 100, dtype=np.int32))
        put(extents, range(first, first + 100), [490] * 100)
    assert peak() - before < 1.3 * 40 * MIB
    extents.drop(np.arange(100, 20_000, dtype=np.int32))
    extents.trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    assert peak() - before < 8 * MIB


def test_where_pages_of_memory_are_larger_than_rows_they_are_kept(monkeypatch):
    """A kernel with pages of 64 KiB gives back none of which a part may be in use."""
    cells = Cells(40 * 8192, 8192)
    numbers = cells.put(np.ones((32, 8192), np.uint8))
    monkeypatch.setattr(mmap, "PAGESIZE", 1 << 16)
    cells.drop(numbers)
    cells.trim(0)
    assert cells.values[8192 : 33 * 8192].all()
    assert cells.put(np.ones((1, 8192), np.uint8)) in numbers
