"""Pages that contradict themselves."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.errors import CorruptPageError
from event_store.lookup.reader import Reader
from event_store.model import RawFile
from event_store.select.overlap import Overlap
from event_store.select.scan import Scan
from event_store.select.selection import Selection
from event_store.write.writer import Store
from tests.conftest import execute
from tests.support.store import columns, reply


def test_a_corrupt_page_stays_an_error(database_url):
    """A page that contradicts itself is an error at every lookup, never "not found"."""
    store = Store(database_url)
    store.write(columns(7, range(600), np.zeros(600), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    execute(database_url, "UPDATE event_page SET n_events = 599")
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    reader = Reader(1 << 26, reply)
    for _ in range(3):
        with pytest.raises(CorruptPageError):
            reader.lookup(connection, np.array([7]), np.array([1]))
    connection.close()
    assert len(reader.cache) == len(reader.cache.files) == 0


@pytest.mark.parametrize(
    ("n", "change"),
    [
        (600, "n_events = n_events - 1"),
        (600, "file_planes = substring(file_planes, 1, 1000)"),
        (20, "n_events = n_events - 1"),
        (20, "slots = array_replace(slots, 3::smallint, 2::smallint)"),
        (20, "slots = array_replace(slots, 3::smallint, -1::smallint)"),
        (20, "slots = array_replace(slots, 3::smallint, NULL)"),
    ],
)
def test_a_corrupt_page_has_no_overlap(database_url, n, change) -> None:
    """What collections have in common is not counted from a page that contradicts itself."""
    store = Store(database_url)
    store.write(columns(7, range(n), np.zeros(n), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    ((run, matrix),) = Overlap([0], 0, 2**63 - 1).read(connection)
    assert (run, matrix.tolist()) == (7, [[n]])
    execute(database_url, f"UPDATE event_page SET {change}")
    with pytest.raises(CorruptPageError):
        Overlap([0], 0, 2**63 - 1).read(connection)
    connection.close()


@pytest.mark.parametrize("n", [600, 20])
@pytest.mark.parametrize(
    "change",
    [
        "n_events = n_events - 1",
        "file_planes = file_planes || '\\x00'",
        "dsids = dsids || 1",
        "olt_planes = olt_planes || '\\x00'",
        # 65 planes, sparse and dense.
        "olt_planes = decode(repeat('00', CASE WHEN slots IS NULL THEN 66560 ELSE 195 END), 'hex')",
    ],
)
def test_a_corrupt_page_is_neither_listed_nor_counted(database_url, n, change) -> None:
    """Lists and counts by file refuse what lookups refuse: no number is made of broken planes."""
    if n == 20 and change.startswith("olt_planes"):
        change = "olt_planes = olt_planes || '\\x0000'"  # a plane of a sparse page has three bytes
    store = Store(database_url)
    files = [RawFile(uuid.UUID(int=number), 1) for number in (1, 2, 3)]
    store.write(columns(7, range(n), np.arange(n) % 3, files))
    store.close()
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    assert len(Scan(Selection(7, 7), with_olt=True, with_files=True).read(connection)) == 1
    execute(database_url, f"UPDATE event_page SET {change}")
    with pytest.raises(CorruptPageError):
        Scan(Selection(7, 7), with_olt=True, with_files=True).read(connection)
    connection.close()


def test_an_index_beyond_the_files_is_not_counted(database_url) -> None:
    """A page of three files whose planes say a fourth is wrong, and no file's count is made up."""
    store = Store(database_url)
    files = [RawFile(uuid.UUID(int=number), 1) for number in (1, 2, 3)]
    store.write(columns(7, range(600), np.arange(600) % 3, files))
    store.close()
    execute(
        database_url,
        "UPDATE event_page SET file_planes = substring(file_planes, 1, 1024) "
        "|| decode(repeat('ff', 2048), 'hex')",
    )
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    with pytest.raises(CorruptPageError, match="a file index of 3 or more of 3 files"):
        Scan(Selection(7, 7), with_files=True).read(connection)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "n_events = n_events - 1",
        "dsids = dsids || 1",
        "slots = array_replace(slots, 3::smallint, 2::smallint)",
        "slots = array_replace(slots, 3::smallint, -1::smallint)",
        "slots = array_replace(slots, 19::smallint, 8192::smallint)",
        "slots = array_replace(slots, 3::smallint, NULL)",
        # The fourth of three files, in two planes of three bytes.
        "file_planes = decode(repeat('ff', 6), 'hex')",
        "file_planes = file_planes || '\\x00'",
    ],
)
def test_a_corrupt_sparse_page_is_an_error_to_those_who_ask_for_it(database_url, change) -> None:
    """Lookups refuse it, together with a good page too, and answer for the good one alone."""
    store = Store(database_url)
    files = [RawFile(uuid.UUID(int=number), 1) for number in (1, 2, 3)]
    events = [*range(20), *range(8192, 8212)]
    store.write(columns(7, events, np.arange(40) % 3, files))
    store.close()
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    reader = Reader(1 << 26, reply)
    good = [np.array([7]), np.array([8192, 8193, 8692])]
    before = reader.lookup(connection, *good)
    assert len(set(before.files)) == 2
    execute(database_url, f"UPDATE event_page SET {change} WHERE page_no = 0")
    reader = Reader(1 << 26, reply)
    for asked in ([1], [1, 8193]):
        with pytest.raises(CorruptPageError):
            reader.lookup(connection, np.array([7]), np.array(asked))
    found = reader.lookup(connection, *good)
    assert found.files == before.files
    assert found.file_indexes.tolist() == before.file_indexes.tolist()
    connection.close()


def test_a_corrupt_page_among_many_is_an_error_and_the_next_lookup_is_answered(
    database_url,
) -> None:
    """Also where pages are decoded in a thread of their own, some rows of them."""
    pages, slots = 20, 8192
    store = Store(database_url)
    events = np.arange(0, pages * slots, 10)
    store.write(columns(7, events, np.zeros(len(events)), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    execute(database_url, "UPDATE event_page SET n_events = 7 WHERE page_no = 3")
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    # So small that a row has four pages.
    reader = Reader(1 << 18, reply)
    asked = -(-np.arange(pages) * slots // 10) * 10
    for _ in range(2):
        with pytest.raises(CorruptPageError):
            reader.lookup(connection, np.array([7]), asked)
        found = reader.lookup(connection, np.array([7]), np.delete(asked, 3))
        assert (found.file_indexes == 1).all()
    connection.close()
