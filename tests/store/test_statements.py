"""What a statement carries is bounded in bytes, whatever a message holds."""

from __future__ import annotations

import uuid

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_store.database import statements
from event_store.model import CosmicRecord, DeadLetter, EventColumns, RawFile
from event_store.write import catalogue
from event_store.write.cosmic_datasets import number_cosmic_datasets
from event_store.write.dead_letters import insert_dead_letters, kept_letters_bytes, letter_bytes
from event_store.write.plan import in_order, transactions
from event_store.write.transaction import Transaction
from tests.conftest import query

# The text around the values.
SLACK_BYTES = 10_000


class _Recorder(psycopg2.extensions.cursor):
    """Notes the bytes of each statement."""

    def __init__(self, *arguments, **more) -> None:
        super().__init__(*arguments, **more)
        self.sizes: list[int] = []

    def execute(self, sql, values=None):
        self.sizes.append(len(self.mogrify(sql, values)))
        super().execute(sql, values)

    def copy_expert(self, sql, file, size=8192):
        start = file.tell()
        self.sizes.append(len(file.read()) + len(sql))
        file.seek(start)
        super().copy_expert(sql, file, size)


@pytest.fixture
def recorder(database_url):
    """A cursor in a transaction that commits at the end; every statement was bounded."""
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor(cursor_factory=_Recorder) as cursor:
        yield cursor
    connection.close()
    assert max(cursor.sizes) < statements.STATEMENT_BYTES_MAX + SLACK_BYTES


def columns(runs, events, files, *, file_index=None, cosmic=None) -> EventColumns:
    """A batch of these events."""
    n = len(runs)
    index = np.zeros(n, np.int32) if file_index is None else file_index.astype(np.int32)
    return EventColumns(
        np.asarray(runs, np.int64),
        np.asarray(events, np.int64),
        np.zeros(n, np.uint64),
        index,
        files,
        np.zeros(n, np.int32),
        ["x"],
        cosmic or {},
    )


def write(cursor, batch) -> None:
    """Write a batch as the store does."""
    catalogue.register_datasets(cursor, sorted({file.dsid for file in batch.files}), 0)
    batch, _ = in_order(batch)
    for parts in transactions(batch.runs, batch.events):
        Transaction(cursor, lambda: None, batch, {}).write(parts)


@given(st.lists(st.integers(0, 6 * 1024 * 1024)))
def test_pieces_are_bounded_and_keep_everything(sizes):
    """Every item goes, in order; only an item that is larger than the bound goes alone."""
    found = list(statements.pieces(sizes, lambda size: size))
    assert [size for piece in found for size in piece] == sizes
    for piece in found:
        assert len(piece) == 1 or sum(piece) <= statements.STATEMENT_BYTES_MAX


def test_dead_letters_go_in_bounded_statements(recorder, database_url):
    """Many large letters are several statements; their size is known without a look at them."""
    letters = [DeadLetter("t", bytes(900_000), "malformed", "d\0é", "s") for _ in range(20)]
    insert_dead_letters(recorder, letters)
    assert kept_letters_bytes(recorder) == sum(map(letter_bytes, letters))
    recorder.execute("DELETE FROM dead_letter WHERE dead_letter_id % 2 = 0")
    assert kept_letters_bytes(recorder) == 10 * letter_bytes(letters[0])
    recorder.execute("TRUNCATE dead_letter")
    assert kept_letters_bytes(recorder) == 0


def test_a_letter_larger_than_the_bound_goes_alone(database_url):
    """The largest message that there may be can be a dead letter."""
    connection = psycopg2.connect(database_url)
    small, large = (DeadLetter("t", bytes(n), "malformed", "d", "s") for n in (10, 16 << 20))
    with connection, connection.cursor(cursor_factory=_Recorder) as cursor:
        insert_dead_letters(cursor, [small, large, small])
    connection.close()
    assert len([size for size in cursor.sizes if size > 16 << 20]) == 1
    assert query(database_url, "SELECT count(*) FROM dead_letter") == [(3,)]


def test_records_and_their_conflicts_go_in_bounded_statements(recorder):
    """A thousand small records that differ from large ones never send the large ones again."""
    n, files = 200, [RawFile(uuid.UUID(int=1), 1)]
    runs, events = np.full(n, 5), np.arange(n)
    for text in (b"a" * 60_000, b"b" * 60_000, b"c"):
        records = {i: CosmicRecord("7", text, text, repaired=False) for i in range(n)}
        write(recorder, columns(runs, events, files, cosmic=records))
    recorder.execute(
        "SELECT count(*), min(octet_length(stored_record)), max(octet_length(stored_record)), "
        "sum(octet_length(offered_record)) FROM event_conflict"
    )
    assert recorder.fetchone() == (2 * n, 60_000, 60_000, 60_001 * n)


@pytest.mark.slow
def test_files_and_pages_go_in_bounded_statements(recorder):
    """A file for each event, and pages that are full of files."""
    n = 60_000
    files = [RawFile(uuid.UUID(int=i), i) for i in range(n)]
    batch = columns(np.full(n, 5), np.arange(n), files, file_index=np.arange(n))
    even = np.flatnonzero(np.arange(n) % 2)
    write(recorder, columns(batch.runs[even], even, files, file_index=even))
    write(recorder, batch)
    recorder.execute("SELECT count(*), sum(n_events) FROM raw_file")
    assert recorder.fetchone() == (n, n)


def test_telescope_datasets_of_very_many_runs(recorder):
    """The lowest free numbers, in one go and around those that are taken."""
    taken = [2**30 + 1, 2**30 + 3, 2**30 + 40_000]
    catalogue.register_datasets(recorder, taken, 0)
    names = [f"cosmic.{'x' * 100}.{run:06}" for run in range(30_000)]
    numbers = number_cosmic_datasets(recorder, names, 2)
    free = [n for n in range(2**30, 2**30 + 30_002) if n not in taken]
    assert [numbers[name].dsid for name in names] == free
    assert number_cosmic_datasets(recorder, names[5:7], 2) == {
        name: numbers[name] for name in names[5:7]
    }
