"""A service of a test's own at a broker, and what it kept of refused messages."""

from __future__ import annotations

from tests.conftest import query
from tests.support.processes import Service


def own_service(broker, database_url: str, **settings) -> Service:
    """Return a service, not yet started, with its own settings."""
    return Service("ingest_service", database_url=database_url, mqtt_url=broker.url, **settings)


RECEIVED = "eventindex_ingest_received_events_total"


def letters(url: str) -> list[tuple]:
    """Return topic, payload and reason of the dead letters."""
    rows = query(url, "SELECT topic, payload, reason FROM dead_letter ORDER BY 1, 2")
    return [(topic, bytes(payload), reason) for topic, payload, reason in rows]
