"""Telescope files read back, and runs that are too long for one message."""

from __future__ import annotations

import json
import uuid

import grpc
import pytest

from event_store.database.migrate import migrate
from event_store.telescope.names import cosmic_fuid
from eventindex.v1 import lookup_pb2
from tests.conftest import execute, query
from tests.support.cosmic import DUMP, TALK, events, lines, record, sender
from tests.support.processes import Service, wait_until


def test_a_file_read_back_makes_the_same_index(ingest, stub, postgres, database_url):
    """All files' lines, loaded into an empty index, give the same events and records."""
    ingest([*DUMP, TALK, record(12345, 7, block=1), record(12345, 5000, block=2)])
    ingest([record(12345, 7, block=1), record(12345, 8, block=1)], "7")
    files = [
        file
        for collection in ("cosmic.0", "cosmic.7")
        for file in stub.ListFiles(lookup_pb2.ListFilesRequest(collection=collection)).files
    ]
    assert len(files) == 4
    fresh = f"fresh_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {fresh}")
    migrate(postgres.url(fresh))
    service = Service("ingest_service", database_url=postgres.url(fresh)).start()
    detectors = {str(cosmic_fuid("7", 12345, 1)): "7"}
    try:
        with grpc.insecure_channel(service.address) as channel:
            send = sender(channel)
            order = sorted(files, key=lambda row: row.file.fuid_raw in detectors)
            for row in order:
                found = lines(stub, row.file.fuid_raw)
                assert all(isinstance(json.loads(line), dict) for line in found)
                numbers = [json.loads(line)["EventNumber"] for line in found]
                assert numbers == sorted(set(numbers))
                send([line.encode() for line in found], detectors.get(row.file.fuid_raw, "0"))
        same = [
            "SELECT collection, run_number, event_number, olt_result, fuid_raw, name "
            "FROM collection_events JOIN dataset USING (dsid_raw) ORDER BY 1, 2, 3",
            "SELECT run_number, event_number, detector_id, event_time, format, cosmic_block, "
            "trigger_bits, tdc, clock_count, trigger_counter, epoch, counter_clocks, "
            "event_counter, canonical FROM cosmic_event ORDER BY 1, 2, 3",
            "SELECT run_number, fuid_raw, n_events, first_event, last_event FROM raw_file "
            "ORDER BY 1, 2",
            "SELECT run_number, n_events, first_event, last_event, detector_id FROM run ORDER BY 5",
        ]
        for sql in same:
            before, after = (_plain(query(url, sql)) for url in (database_url, postgres.url(fresh)))
            assert before
            assert before == after
    finally:
        service.close()
        execute(postgres.url(), f"DROP DATABASE {fresh} WITH (FORCE)")


def _plain(rows):
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]


def test_a_file_whose_events_another_file_holds_is_read_too(ingest, stub, database_url):
    """Where every event of a block is a conflict, its lines are there all the same.

    So it is in runs of 'raw', which several telescopes may share.
    """
    execute(
        database_url,
        "INSERT INTO dataset (dsid_raw, name) VALUES "
        "(1073741824, 'cosmic.a.1'), (1073741825, 'cosmic.b.1')",
    )
    ingest([record(1, 5)], "a")
    ingest([record(1, 5, block=4, Format=9)], "b")
    (line,) = lines(stub, str(cosmic_fuid("b", 1, 4)))
    assert json.loads(line)["Format"] == 9
    mine = events(stub, detector_id="b")
    assert [(e.fuid_raw, e.dsid_raw) for e in mine] == [(str(cosmic_fuid("b", 1, 4)), 2**30 + 1)]


def test_long_runs_come_in_pieces(ingest, stub):
    """Ten thousand records of two blocks: all of them once, in order, from either method."""
    for first in range(0, 10_000, 5000):
        ingest([record(1, n, block=n % 2) for n in range(first, first + 5000)])
    assert [event.event_number for event in events(stub)] == list(range(10_000))
    assert [
        json.loads(line)["EventNumber"] for line in lines(stub, str(cosmic_fuid("0", 1, 1)))
    ] == (list(range(1, 10_000, 2)))
    assert len(events(stub, events_max=777)) == 777


@pytest.mark.slow
def test_a_slow_reader_holds_nothing_in_the_database(ingest, stub, database_url):
    """While a caller pauses no statement and no snapshot is open; the rest comes afterwards."""
    for first in range(0, 20_000, 5000):
        ingest([record(1, n, Note="x" * 2000) for n in range(first, first + 5000)])
    call = stub.GetCosmicEvents(lookup_pb2.GetCosmicEventsRequest(), timeout=60)
    seen = len(next(call).events)
    mine = "FROM pg_stat_activity WHERE application_name = 'eventindex index_service'"
    busy = f"SELECT count(*) {mine} AND (state <> 'idle' OR backend_xmin IS NOT NULL)"
    assert query(database_url, f"SELECT count(*) {mine}")[0][0] > 0
    wait_until(lambda: query(database_url, busy)[0][0] == 0, what="idle connections")
    assert seen < 20_000
    assert seen + sum(len(answer.events) for answer in call) == 20_000


def test_large_records_fit_into_messages(ingest, stub):
    """Records as long as they may be go out in messages that a caller takes."""
    for n in range(12):
        ingest([record(1, 34 * n + i, Note="x" * 60_000) for i in range(34)])
    call = stub.GetCosmicEvents(lookup_pb2.GetCosmicEventsRequest(), timeout=60)
    sizes = [answer.ByteSize() for answer in call]
    assert max(sizes) < 6_500_000
    assert sum(sizes) > 24_000_000
    assert len(lines(stub, str(cosmic_fuid("0", 1, 0)))) == 12 * 34
