"""Pages that contradict themselves."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.errors import CorruptPageError
from event_store.lookup.reader import Reader
from event_store.model import RawFile
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
