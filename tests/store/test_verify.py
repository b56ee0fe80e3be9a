"""Verify on storage that is damaged under PostgreSQL."""

from __future__ import annotations

import numpy as np
import pytest

from event_store.admin import verify
from event_store.database.migrate import migrate
from event_store.pages.format import SLOTS_PER_PAGE
from event_store.write.writer import Store
from tests.conftest import query
from tests.support.admin import columns, connect
from tests.support.processes import PostgresServer


@pytest.fixture
def server():
    """A server of the test's own, whose files are written over."""
    own = PostgresServer()
    own.start()
    yield own
    own.close()


def test_damaged_storage_is_a_difference(server):
    """A page whose planes PostgreSQL cannot read is named; the others are counted."""
    migrate(server.url())
    store, rng = Store(server.url()), np.random.default_rng(1)
    n = 4 * SLOTS_PER_PAGE
    store.write(columns(1, range(n), rng.integers(0, 2**63, n).astype(np.uint64), 0))
    store.close()
    ((path,),) = query(
        server.url(),
        "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'event_page'",
    )
    server.stop()
    with (server.data / path).open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"damaged" * 100)
    server.start()
    connection = connect(server.url())
    found = verify.verify_run(connection, 1, lambda: False)
    connection.close()
    damaged = [text for text in found.differences if "its row cannot be read" in text]
    assert 1 <= len(damaged) < 4
    assert found.events == n - len(damaged) * SLOTS_PER_PAGE
    assert any(text.startswith("run.n_events is 32768") for text in found.differences)
