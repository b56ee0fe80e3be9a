"""Fixtures of the tests of the store."""

from __future__ import annotations

import pytest

from event_store.database.connection import Connection, StoreOptions


@pytest.fixture
def connection(database_url):
    opened = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    yield opened
    opened.close()
