"""Lists of datasets, files and conflicts out of index_service, over real gRPC."""

from __future__ import annotations

import numpy as np
import pytest

from event_store.model import RawFile
from eventindex.v1 import event_pb2, lookup_pb2
from tests.conftest import execute, query
from tests.support.index_lists import FILES, FUIDS, all_pages, invalid, not_found, write


@pytest.fixture
def datasets(store, database_url):
    """Datasets 10 (5 events, 2 files), 11 (9 events, 1 file over 2 runs), 12 (empty, frozen)."""
    write(store, 1, range(2), 0)
    write(store, 1, range(2, 5), 1)
    write(store, 2, range(4), 2)
    write(store, 3, range(5), 2)
    execute(database_url, "INSERT INTO dataset VALUES (12, 'Zmumu_10%', now(), 2, 'a comment')")


DATASET_LISTS = [
    ({}, [10, 11, 12]),
    ({"order_by": "dsid_raw desc"}, [12, 11, 10]),
    ({"order_by": "events"}, [12, 10, 11]),
    ({"order_by": "events desc"}, [11, 10, 12]),
    ({"order_by": "created desc"}, [12, 11, 10]),
    ({"order_by": "name", "name_contains": "DSID"}, [10, 11]),
    ({"name_contains": "10%"}, [12]),
    ({"state": event_pb2.DATASET_STATE_FROZEN}, [12]),
    ({"state": event_pb2.DATASET_STATE_OPEN}, [10, 11]),
]


def test_datasets_in_each_order_and_by_filter(datasets, stub):
    """Orders, state and part of the name, in pages of one."""
    for fields, expected in DATASET_LISTS:
        request = lookup_pb2.ListDatasetsRequest(page_size=1, **fields)
        found = all_pages(stub.ListDatasets, request, "datasets")
        assert [dataset.dsid_raw for dataset in found] == expected, fields


def test_a_dataset_has_its_sums(datasets, stub):
    """Events and files are sums over the files; a file over two runs is one file."""
    found = stub.ListDatasets(lookup_pb2.ListDatasetsRequest()).datasets
    assert [(d.dsid_raw, d.events, d.files) for d in found] == [(10, 5, 2), (11, 9, 1), (12, 0, 0)]
    last = found[2]
    assert (last.name, last.state, last.comment) == ("Zmumu_10%", 2, "a comment")
    assert last.HasField("created")


def test_one_dataset(datasets, stub):
    """A dataset by its number or its whole name is what the list says of it."""
    listed = stub.ListDatasets(lookup_pb2.ListDatasetsRequest()).datasets
    for known in listed:
        for asked in ({"dsid_raw": known.dsid_raw}, {"name": known.name}):
            assert stub.GetDataset(lookup_pb2.GetDatasetRequest(**asked)).dataset == known
    for name in ("Zmumu", "zmumu_10%", "Zmumu_10_"):
        request = lookup_pb2.GetDatasetRequest(name=name)
        assert name in not_found(lambda: stub.GetDataset(request))  # noqa: B023  # called at once


FILE_LISTS = [
    ({}, [(1, 0), (1, 1), (2, 2), (3, 2)]),
    ({"order_by": "run_number desc"}, [(3, 2), (2, 2), (1, 1), (1, 0)]),
    ({"order_by": "fuid_raw desc"}, [(3, 2), (2, 2), (1, 1), (1, 0)]),
    ({"order_by": "events"}, [(1, 0), (1, 1), (2, 2), (3, 2)]),
    ({"run_number": 1, "order_by": "fuid_raw"}, [(1, 0), (1, 1)]),
    ({"dsid_raw": 11}, [(2, 2), (3, 2)]),
    ({"dsid_raw": 12}, []),
    ({"dsid_raw": 10, "run_number": 2}, []),
]


def test_files_in_each_order_and_by_filter(datasets, stub):
    """Orders, run and dataset, in pages of one."""
    for fields, expected in FILE_LISTS:
        request = lookup_pb2.ListFilesRequest(page_size=1, **fields)
        found = all_pages(stub.ListFiles, request, "files")
        assert [(row.run_number, FUIDS.index(row.file.fuid_raw)) for row in found] == expected, (
            fields
        )


def test_a_file_over_its_runs_with_its_events(store, datasets, stub, database_url):
    """GetFile tells each run of a file, the state of its dataset and, if asked, its events."""
    write(store, 2, [20_000, 9_000], 2, olt=2**63)
    write(store, 2, [9_001], 0)
    execute(database_url, "UPDATE dataset SET state = 3 WHERE dsid_raw = 11")
    answer = stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=FUIDS[2].upper()))
    assert [(r.run_number, r.events, r.event_first, r.event_last) for r in answer.runs] == [
        (2, 6, 0, 20_000),
        (3, 5, 0, 4),
    ]
    assert {r.file.dataset_state for r in answer.runs} == {event_pb2.DATASET_STATE_RETIRED}
    assert not answer.events
    answer = stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=FUIDS[2], with_events=True))
    first, second = answer.events
    assert list(first.run_numbers) == [2]
    assert list(first.event_numbers) == [0, 1, 2, 3, 9_000, 20_000]
    assert list(first.olt_results) == [0, 0, 0, 0, 2**63, 2**63]
    assert (list(second.run_numbers), list(second.event_numbers)) == ([3], [0, 1, 2, 3, 4])
    for batch in answer.events:
        assert set(batch.file_indexes) == {1}
        assert len(batch.file_indexes) == len(batch.event_numbers)
        assert [(f.fuid_raw, f.dsid_raw, f.dataset_state) for f in batch.files] == [
            (FUIDS[2], 11, event_pb2.DATASET_STATE_RETIRED)
        ]


def test_a_file_announced_with_two_datasets_has_a_row_and_a_batch_for_each(store, stub):
    """Counts and events of the two datasets are kept apart."""
    write(store, 1, [1, 2], 0)
    write(store, 1, [3], 0, files=[RawFile(FILES[0].fuid, 99)])
    answer = stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=FUIDS[0], with_events=True))
    assert [(r.file.dsid_raw, r.events) for r in answer.runs] == [(10, 2), (99, 1)]
    assert [list(batch.event_numbers) for batch in answer.events] == [[1, 2], [3]]


def test_a_file_of_the_largest_size_and_one_event_more(store, stub):
    """100,000 events are answered; with one more the caller is sent to ListEvents."""
    write(store, 1, np.arange(100_000) * 3, 0, olt=2**64 - 1)
    request = lookup_pb2.GetFileRequest(fuid_raw=FUIDS[0], with_events=True)
    batch = stub.GetFile(request).events[0]
    assert np.array_equal(batch.event_numbers, np.arange(100_000) * 3)
    write(store, 2, [1], 0)
    text = invalid(lambda: stub.GetFile(request))
    assert "100,001" in text
    assert "ListEvents" in text
    assert len(stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=FUIDS[0])).runs) == 2


def test_conflicts_tell_both_values(store, stub, database_url):
    """Stored and offered event, who offered it, how often and when; resolved ones if asked."""
    write(store, 5, [1, 2], 0, olt=1)
    write(store, 4, [9], 0)
    for _ in range(3):
        write(store, 5, [2], 3, olt=2**63, source="writer-7")
    write(store, 5, [1], 1, olt=1)
    write(store, 4, [9], 0, olt=6)
    request = lookup_pb2.ListConflictsRequest(page_size=1)
    found = all_pages(stub.ListConflicts, request, "conflicts")
    places = [(c.stored.run_number, c.stored.event_number) for c in found]
    assert places == [(4, 9), (5, 1), (5, 2)]
    last = found[2]
    assert last.stored == event_pb2.Event(
        run_number=5, event_number=2, olt_result=1, dsid_raw=10, fuid_raw=FUIDS[0]
    )
    assert last.offered == event_pb2.Event(
        run_number=5, event_number=2, olt_result=2**63, dsid_raw=11, fuid_raw=FUIDS[3]
    )
    assert (last.times, last.source, last.resolution, last.resolved_by) == (3, "writer-7", "", "")
    assert last.first_seen.ToNanoseconds() < last.last_seen.ToNanoseconds()
    assert not last.HasField("resolved")
    assert last.stored_record == last.offered_record == ""

    execute(
        database_url,
        "UPDATE event_conflict SET resolution = 'kept', resolved_by = 'ann', resolved = now() "
        f"WHERE conflict_id = {last.conflict_id}",
    )
    of_run = lookup_pb2.ListConflictsRequest(run_number=5)
    assert [c.stored.event_number for c in stub.ListConflicts(of_run).conflicts] == [1]
    of_run.with_resolved = True
    resolved = stub.ListConflicts(of_run).conflicts[1]
    assert (resolved.resolution, resolved.resolved_by) == ("kept", "ann")
    assert resolved.HasField("resolved")


def test_long_records_make_pages_of_conflicts_shorter(store, stub, database_url):
    """A page ends before it outgrows a message, and the token goes on from there."""
    write(store, 1, range(5), 0)
    write(store, 1, range(5), 1)
    execute(
        database_url,
        "UPDATE event_conflict SET stored_record = convert_to(repeat('x', 3000000), 'UTF8')",
    )
    request = lookup_pb2.ListConflictsRequest(page_size=100)
    assert len(stub.ListConflicts(request).conflicts) == 2
    found = all_pages(stub.ListConflicts, request, "conflicts")
    assert [c.stored.event_number for c in found] == [0, 1, 2, 3, 4]
    assert {len(c.stored_record) for c in found} == {3_000_000}


def test_lists_use_their_indexes(datasets, database_url):
    """The next page of a long list is read from an index, not sorted out of the whole table."""
    execute(
        database_url,
        "INSERT INTO raw_file SELECT r, gen_random_uuid(), 10, 1, 1, 1 "
        "FROM generate_series(1000, 40000) r; ANALYZE raw_file",
    )
    for where, index in (
        ("fuid_raw = '00000000-0000-0000-0000-000000000003'", "raw_file_fuid"),
        ("dsid_raw = 11", "raw_file_dsid"),
    ):
        plan = query(database_url, f"EXPLAIN SELECT * FROM raw_file WHERE n_events > 0 AND {where}")
        assert index in str(plan)
