"""Datasets and files are registered whatever is there already, and as many as there are."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.errors import StoreUnavailableError
from event_store.lookup.reader import Reader
from event_store.model import Outcome, RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query
from tests.support.store import columns, reply


@pytest.mark.slow
def test_a_run_of_a_batch_may_have_more_files_than_sixteen_bits_count(database_url):
    """70,000 files in one run of a batch: every event is found in its own file."""
    n = 70_000
    files = [RawFile(uuid.UUID(int=i + 1), 1) for i in range(n)]
    store = Store(database_url)
    assert (store.write(columns(7, range(n), range(n), files)) == Outcome.INSERTED).all()
    store.close()
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    answer = Reader(1 << 26, reply).lookup(connection, np.array([7]), np.arange(n))
    connection.close()
    assert [answer.files[i - 1][0].int for i in answer.file_indexes.tolist()] == [*range(1, n + 1)]


def test_writers_notice_another_server(database_url):
    """After a restore the writer registers its datasets anew."""
    store = Store(database_url)
    batch = columns(7, [1], [0], [RawFile(uuid.UUID(int=1), 5)])
    store.write(batch)
    execute(database_url, "TRUNCATE dataset, run, event_page, raw_file")
    store._server = "the server before the restore"
    with pytest.raises(StoreUnavailableError, match="changed"):
        store.write(batch)
    assert store.write(batch).tolist() == [Outcome.INSERTED]
    store.close()
    assert query(database_url, "SELECT dsid_raw FROM dataset") == [(5,)]


def test_a_dataset_whose_name_is_taken_is_registered_all_the_same(database_url):
    """Dataset 71 is registered even when 70 is called dsid-71."""
    store = Store(database_url)
    execute(database_url, "INSERT INTO dataset (dsid_raw, name) VALUES (70, 'dsid-71')")
    store.write(columns(7, [1], [0], [RawFile(uuid.UUID(int=1), 71)]))
    store.close()
    assert query(database_url, "SELECT count(*) FROM dataset WHERE dsid_raw = 71") == [(1,)]
