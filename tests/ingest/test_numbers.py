"""What ingest_service tells of what waits, of its time, its calls and the whole index."""

from __future__ import annotations

import re
import time

import numpy as np
import psycopg2

import eventindex
from eventindex import EventColumns, RawFile
from tests.conftest import query
from tests.support.ingest import FUID, json_event, wait_for_events
from tests.support.lookups import store_events
from tests.support.processes import Service, wait_until

QUEUE = 'eventindex_ingest_queue_messages{door="mqtt"}'
OLDEST = "eventindex_ingest_queue_oldest_seconds"


def test_what_waits_can_be_seen(service, publisher, topics, database_url):
    """While a run is locked, messages and their age are there, and the writer is busy; then not."""
    before = time.time()
    publisher.publish(topics.json, json_event(1, 0))
    wait_for_events(database_url, 1)
    lock = psycopg2.connect(database_url)
    with lock.cursor() as cursor:
        cursor.execute("SELECT 1 FROM run WHERE run_number = 1 FOR UPDATE")
    publisher.publish(topics.json, *(json_event(1, number) for number in range(1, 11)))
    wait_until(lambda: service.metric(QUEUE) == 10, what="10 messages that wait")
    age = service.metric(OLDEST)
    busy = service.metric("eventindex_ingest_busy_seconds_total")
    assert service.metric("eventindex_ingest_storing_events") > 0
    assert service.metric('eventindex_ingest_queue_bytes{door="mqtt"}') > 10 * 50
    wait_until(lambda: service.metric(OLDEST) >= age + 0.2, what="age")
    assert service.metric("eventindex_ingest_busy_seconds_total") >= busy + 0.1
    lock.rollback()
    lock.close()
    wait_for_events(database_url, 11)
    wait_until(lambda: service.metric(QUEUE) == 0, what="empty queue")
    assert service.metric(OLDEST) == 0
    assert service.metric("eventindex_ingest_storing_events") == 0
    last = 'eventindex_ingest_last_message_timestamp_seconds{door="%s"}'
    assert before < service.metric(last % "mqtt") < time.time()
    assert service.metric(last % "grpc") == 0


def test_calls_and_the_index_are_counted(database_url):
    """A stream is a call with its status; what the index holds is there at the start."""
    store_events(database_url, 7, range(20))
    service = Service("ingest_service", database_url=database_url)
    try:
        service.start()
        for name, number in (("events", 20), ("runs", 1), ("files", 1)):
            metric = f"eventindex_stored_{name}"
            wait_until(lambda m=metric: service.metric(m), what=metric)
            assert service.metric(metric) == number
        assert service.metric('eventindex_collection_events{collection="raw"}') == 20
        assert service.metric('eventindex_collection_runs{collection="raw"}') == 1
        assert service.metric('eventindex_database_table_bytes{table="event_page"}') > 8192
        tables = query(
            database_url,
            "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public' "
            "AND relname <> 'schema_migration'",
        )
        page = service.page("/metrics")[1]
        for name in ("table_bytes", "dead_rows"):
            told = re.findall(rf'eventindex_database_{name}{{table="(\w+)"}}', page)
            assert sorted(told) == sorted(table for (table,) in tables)
        assert service.metric("eventindex_database_wal_bytes_total") > 0
        with eventindex.connect(ingest_address=service.address) as client:
            batch = EventColumns([RawFile(FUID, 4)], 5, np.arange(100), np.ones(100, int))
            assert [ack.inserted for ack in client.ingest([batch])] == [100]
        calls = 'eventindex_ingest_request_seconds_count{code="OK",method="Ingest"}'
        wait_until(lambda: service.metric(calls) == 1, what="call that ended")
        assert service.metric("eventindex_requests_running") == 0
        assert "eventindex_broker_" not in service.page("/metrics")[1]
    finally:
        service.close()
