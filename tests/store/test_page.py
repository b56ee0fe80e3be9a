"""The page format and merging, without a database: arrays against a dictionary."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_store.errors import CorruptPageError
from event_store.model import Outcome, RawFile
from event_store.pages import copy as pagecopy
from event_store.pages.format import (
    DENSE_EVENTS_MIN,
    FUID_DTYPE,
    SLOT_BITS,
    SLOT_MASK,
    PackedPage,
    PageEvents,
    pack,
    unpack,
)
from event_store.pages.merge import BatchFiles, Columns, merge

FILES = [RawFile(uuid.UUID(int=i + 1), i % 4) for i in range(9000)]
NUMBER_OF = {(file.fuid.bytes, file.dsid): number for number, file in enumerate(FILES)}


def page_of(slots, index, olt, n_files):
    fuids = np.frombuffer(b"".join(f.fuid.bytes for f in FILES[:n_files]), FUID_DTYPE)
    dsids = np.array([f.dsid for f in FILES[:n_files]], np.int32)
    return PageEvents(
        np.asarray(slots, np.uint16),
        np.asarray(index, np.uint16),
        np.asarray(olt, np.uint64),
        fuids,
        dsids,
    )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_page_unpacks_to_what_was_packed(data):
    """Any number of events and files, any masks: pack and unpack give the same page."""
    n = data.draw(st.sampled_from([1, 2, 8, 9, 511, 512, 600, 8192]) | st.integers(1, 8192))
    seed = data.draw(st.integers(0, 2**32))
    bits = data.draw(st.sampled_from([0, 1, 12, 63, 64]))
    random = np.random.default_rng(seed)
    slots = np.sort(random.choice(8192, n, replace=False))
    n_files = data.draw(st.integers(1, n))
    index = random.permutation(np.arange(n) % n_files)
    olt = random.integers(0, 2**bits, n, dtype=np.uint64, endpoint=False) if bits else np.zeros(n)
    page = page_of(slots, index, olt, n_files)
    packed = pack(page)
    assert (packed.slots is None) == (n >= DENSE_EVENTS_MIN)
    again = unpack(packed)
    for name in ("slots", "file_index", "olt", "fuids", "dsids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(page, name))
    data_copied = pagecopy.encode_rows([pagecopy.StoredPage(7, 5, 3, packed)])
    assert data_copied.startswith(b"PGCOPY\n\xff\r\n\0")


def test_planes_are_as_postgresql_reads_them():
    """Bit i of a plane is the event at position i, least significant bit first."""
    page = pack(page_of([3, 10], [1, 0], [0b10, 0b01], 2))
    assert page.slots is not None
    assert page.slots.tolist() == [3, 10]
    assert page.file_planes == bytes([0b01])
    assert page.olt_planes == bytes([0b10, 0b01])
    dense = pack(page_of(range(1000), np.zeros(1000), np.zeros(1000), 1))
    assert dense.file_planes == bytes([255] * 125 + [0] * 899)
    assert dense.olt_planes == b""


@pytest.mark.parametrize(
    "page",
    [
        PackedPage(600, None, np.zeros(1, FUID_DTYPE), np.zeros(1, np.int32), bytes(1024), b""),
        PackedPage(
            600, None, np.zeros(3, FUID_DTYPE), np.zeros(3, np.int32), b"\xff" * 75 + bytes(949)
        ),
        PackedPage(
            1, np.zeros(1, np.uint16), np.zeros(1, FUID_DTYPE), np.zeros(1, np.int32), b"\1"
        ),
    ],
)
def test_a_page_that_contradicts_itself_is_an_error(page):
    """Planes that do not fit the number of events or files are never taken for an answer."""
    with pytest.raises(CorruptPageError):
        unpack(page)


numbers = st.one_of(
    st.integers(0, 40), st.integers(8150, 8250), st.integers(0, 2**63 - 1), st.just(2**63 - 1)
)
events = st.tuples(
    numbers,
    st.integers(0, 5) | st.integers(0, len(FILES) - 1),
    st.integers(0, 1) | st.integers(0, 2**64 - 1),
)
blocks = st.tuples(st.integers(0, 3), st.integers(1, 900), st.integers(1, 300)).map(
    lambda b: [(b[0] * 3000 + i, i % b[2], i % 7) for i in range(b[1])]
)


@given(st.lists(st.lists(events, max_size=30) | blocks, max_size=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_any_batches_merge_to_the_dictionary(batches, random):
    """Any batches, in any order, with repeats: the first value of an event stays."""
    pages: dict[int, PackedPage] = {}
    model: dict[int, tuple[int, int]] = {}
    for batch in batches:
        random.shuffle(batch)
        ordered = sorted(batch, key=lambda event: event[0])
        expected = []
        for number, file, olt in ordered:
            if number not in model:
                model[number] = (file, olt)
                expected.append(Outcome.INSERTED)
            else:
                same = model[number] == (file, olt)
                expected.append(Outcome.DUPLICATE if same else Outcome.CONFLICT)
        assert offer(pages, ordered) == expected
    assert contents(pages) == model


def offer(pages, ordered):
    """Merge a sorted batch into the pages in place; the outcomes."""
    if not ordered:
        return []
    used = {file: place for place, file in enumerate(sorted({file for _, file, _ in ordered}))}
    table = BatchFiles([FILES[i] for i in used])
    columns = Columns(
        np.array([number for number, _, _ in ordered], np.int64),
        np.array([used[file] for _, file, _ in ordered], np.intp),
        np.array([olt for _, _, olt in ordered], np.uint64),
    )
    touched = {number >> SLOT_BITS for number, _, _ in ordered}
    merged = merge(columns, {no: pages[no] for no in touched if no in pages}, table)
    pages.update(merged.pages)
    return merged.outcome.tolist()


def contents(pages):
    """All events of the pages as number -> (file, olt)."""
    found = {}
    for page_no, packed in pages.items():
        page = unpack(packed)
        indexes = page.file_index.tolist()
        assert len(page.fuids) == len(set(indexes))
        files = [
            NUMBER_OF[fuid.tobytes(), dsid]
            for fuid, dsid in zip(page.fuids, page.dsids.tolist(), strict=True)
        ]
        for slot, index, olt in zip(page.slots.tolist(), indexes, page.olt.tolist(), strict=True):
            assert slot <= SLOT_MASK
            found[(int(page_no) << SLOT_BITS) | slot] = (files[index], olt)
    return found


@pytest.mark.parametrize("n_stored", [0, 1])
def test_numbers_of_files_are_indexes(n_stored):
    """Whatever numbers files has NumPy's index type: nothing is converted for each use."""
    table = BatchFiles(FILES[:3])
    assert table.number.dtype == np.intp
    offered = Columns(
        np.array([1, 2, 2]), table.number[np.array([0, 1, 2])], np.zeros(3, np.uint64)
    )
    stored = {0: pack(page_of(range(n_stored), [0] * n_stored, [0] * n_stored, 1))}
    merged = merge(offered, stored if n_stored else {}, table)
    assert {merged.kept_files.dtype, merged.inserted.files.dtype} == {np.dtype(np.intp)}
