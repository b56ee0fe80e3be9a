"""Pages that the cache holds as planes, until they are asked for often."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.lookup.packed import (
    PACKED_BYTES,
    STORED_FILES_MAX,
    packed_planes,
    take_places,
    unpack,
)
from event_store.lookup.reader import Reader
from event_store.model import RawFile
from event_store.pages.format import PageEvents, pack
from event_store.write.writer import Store
from tests.support.reader import check, columns
from tests.support.store import reply

PAGES, SLOTS = 30, 8192


def stored_planes(index, slots, n_files):
    """The planes of a page as the database has them."""
    none = np.zeros(len(slots), np.uint64)
    fuids = np.zeros(n_files, "V16")
    page = pack(PageEvents(slots, index, none, fuids, np.zeros(n_files, np.int32)))
    return np.frombuffer(page.file_planes, np.uint64).reshape(1, -1, 128)


@pytest.mark.parametrize("n_files", [1, 2, 3, 8, 12, 15, 16, 17, 128, 255])
def test_planes_hold_the_place_of_every_slot(n_files):
    """Up to 255 files, all of them and none are told apart, in one cell or two."""
    slots = np.flatnonzero(np.arange(SLOTS) % 10).astype(np.uint16)
    index = (slots * 7 % n_files).astype(np.uint16)
    planes, wrong = packed_planes(stored_planes(index, slots, n_files), np.array([n_files]))
    assert not wrong.any()
    cells = planes.view(np.uint8).reshape(-1, PACKED_BYTES)
    stored = np.array([n_files <= STORED_FILES_MAX, False])[: len(cells)]
    places = unpack(cells, stored).astype(np.int64)
    places = places[0] + (places[1] << 4 if len(cells) > 1 else 0)
    expected = np.zeros(SLOTS, np.int64)
    expected[slots] = index + 1
    assert (places == expected).all()
    at = np.arange(SLOTS)
    low = take_places(cells.ravel(), at >> 3, (at & 7).astype(np.uint8), stored[:1].repeat(SLOTS))
    assert (low == expected % 16).all()


@pytest.mark.parametrize("n_files", [3, 5, 9, 12, 15, 17, 129, 255])
def test_an_index_of_no_file_is_found(n_files):
    """One slot with the number behind the last file is damage; the last file is not."""
    slots = np.arange(SLOTS, dtype=np.uint16)
    index = np.full(SLOTS, n_files - 1, np.uint16)
    good = stored_planes(index, slots, n_files)
    index[77] = n_files
    both = np.concatenate([good, stored_planes(index, slots, n_files)])
    assert packed_planes(both, np.array([n_files] * 2))[1].tolist() == [False, True]
    # Beside a page that uses all of its planes.
    most = 1 << (n_files - 1).bit_length()
    assert packed_planes(both, np.array([most, most]))[1].tolist() == [False, False]
    assert packed_planes(both, np.array([most, n_files]))[1].tolist() == [False, True]


@pytest.mark.parametrize("cache_bytes", [1 << 26, 1 << 18])
def test_answers_are_the_same_before_and_after_pages_are_unpacked(
    database_url, connection, cache_bytes
):
    """A few slots of each page, again and again, then many, with `olt_result` and without."""
    random = np.random.default_rng(5)
    events = np.flatnonzero(np.arange(PAGES * SLOTS) % 10)
    files = [RawFile(uuid.UUID(int=i + 1), i % 3) for i in range(200)]
    # Pages of 1 file, of up to 20, and of up to 200.
    index = random.integers(0, np.array([1, 12, 20, 200])[(events >> 13) % 4])
    olt = random.integers(0, 1 << 12, len(events)).astype(np.uint64)
    store, reader = Store(database_url), Reader(cache_bytes, reply)
    store.write(columns(np.ones(len(events)), events, olt, index, files))
    store.close()
    of_event = dict(zip(events.tolist(), zip(index, olt.tolist(), strict=True), strict=True))
    model = {(1, event): (files[i], bits) for event, (i, bits) in of_event.items()}
    for step, per_page in enumerate([1, 2, 2, 3, 40, 1, 40]):
        asked = random.integers(0, SLOTS, (PAGES, per_page)) + SLOTS * np.arange(PAGES)[:, None]
        check(reader, connection, model, [1], asked.ravel(), with_olt=step % 3 == 2)
    assert reader.cache.nbytes <= 1.1 * cache_bytes


def test_pages_that_were_asked_for_once_take_little_memory(database_url, connection):
    """A slot takes 0.7 bytes before its page is unpacked."""
    events = np.arange(400_000)
    files = [RawFile(uuid.UUID(int=i + 1), 1) for i in range(10)]
    store, reader = Store(database_url), Reader(1 << 26, reply)
    store.write(columns([1] * 400_000, events, events % 5, events % 10, files))
    store.close()
    reader.lookup(connection, np.ones(1, np.int64), np.arange(0, 400_000, SLOTS))
    assert reader.cache.nbytes <= 0.7 * 400_000 + 16_384
