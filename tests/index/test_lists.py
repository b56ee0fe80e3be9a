"""The lists of index_service over real gRPC: order, filters, page tokens, counts."""

from __future__ import annotations

import base64
import json
import uuid

import pytest

from event_store.model import RawFile
from eventindex.v1 import lookup_pb2
from tests.conftest import execute
from tests.support.index_lists import FILES, all_pages, invalid, not_found, write

SIZES = {7: 3, 2: 5, 9: 3, 4: 1}


@pytest.fixture
def runs(store):
    """Runs 7, 2, 9 and 4 with 3, 5, 3 and 1 events, one after the other in this order."""
    for run, size in SIZES.items():
        write(store, run, range(100, 100 + size))


RUN_ORDERS = {
    "": [2, 4, 7, 9],
    "run_number": [2, 4, 7, 9],
    "run_number desc": [9, 7, 4, 2],
    "events": [4, 7, 9, 2],
    "events desc": [2, 9, 7, 4],
    "first_seen": [7, 2, 9, 4],
    "last_seen desc": [4, 9, 2, 7],
}


def test_runs_come_in_each_order_page_by_page(runs, stub):
    """Every order, with ties, gives each run once, whatever the size of the pages."""
    for order, expected in RUN_ORDERS.items():
        for page_size in (1, 2, 3, 10):
            request = lookup_pb2.ListRunsRequest(order_by=order, page_size=page_size)
            found = all_pages(stub.ListRuns, request, "runs")
            assert [run.run_number for run in found] == expected, (order, page_size)


def test_a_run_has_exact_counts(store, stub):
    """Events, first and last, distinct files and conflicts; times are the database's."""
    write(store, 1, [5, 900_000], 0)
    write(store, 1, [7], 1)
    write(store, 1, [8], 0, files=[RawFile(FILES[0].fuid, 99)])
    write(store, 1, [5], 3)
    run = stub.ListRuns(lookup_pb2.ListRunsRequest()).runs[0]
    assert (run.events, run.event_first, run.event_last) == (4, 5, 900_000)
    assert (run.files, run.conflicts, run.detector_id) == (2, 1, "")
    assert run.first_seen.ToNanoseconds() < run.last_seen.ToNanoseconds()


def test_runs_by_range_and_a_run_that_is_not_there(runs, stub):
    """A range restricts; a single run that is not in the index is NOT_FOUND."""
    found = stub.ListRuns(lookup_pb2.ListRunsRequest(run_first=3, run_last=8)).runs
    assert [run.run_number for run in found] == [4, 7]
    assert not stub.ListRuns(lookup_pb2.ListRunsRequest(run_first=10)).runs
    assert "3" in not_found(
        lambda: stub.ListRuns(lookup_pb2.ListRunsRequest(run_first=3, run_last=3))
    )
    one = stub.ListRuns(lookup_pb2.ListRunsRequest(run_first=4, run_last=4)).runs
    assert [run.events for run in one] == [1]


def test_a_token_stays_good_when_rows_come_before_it(store, runs, stub):
    """New rows on earlier pages do not shift the later ones."""
    request = lookup_pb2.ListRunsRequest(page_size=2)
    first = stub.ListRuns(request)
    write(store, 1, [1])
    write(store, 3, [1])
    request.page_token = first.next_page_token
    assert [run.run_number for run in stub.ListRuns(request).runs] == [7, 9]


def test_foreign_tokens_are_refused(runs, stub):
    """A token of another order, filter or list, a forged or an overlong one is named."""
    token = stub.ListRuns(lookup_pb2.ListRunsRequest(page_size=1)).next_page_token

    def with_token(token, **fields):
        return invalid(
            lambda: stub.ListRuns(lookup_pb2.ListRunsRequest(page_token=token, **fields))
        )

    for fields in ({"order_by": "events"}, {"run_first": 1}, {"detector_id": ""}):
        assert "another order or other filters" in with_token(token, **fields)
    files = lookup_pb2.ListFilesRequest(page_token=token)
    assert "another order" in invalid(lambda: stub.ListFiles(files))
    assert "4,096" in with_token("x" * 5000)
    good = json.loads(base64.urlsafe_b64decode(token + "=="))
    for forged in (
        [],
        [good[0]],
        [good[0], "2", 0],
        [good[0], 2**63, 0],
        [good[0], 1, 2, 3],
        {},
        [[]],
    ):
        text = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode()
        assert "page_token" in with_token(text)
    for nonsense in ("nonsense", "é", "W" * 4000, "=", base64.b64encode(b"[" * 3000).decode()):
        assert nonsense[:10] in with_token(nonsense)


MISTAKES = [
    ("ListRuns", lookup_pb2.ListRunsRequest(page_size=10_001), ["page_size", "10001"]),
    ("ListRuns", lookup_pb2.ListRunsRequest(order_by="size"), ["order_by", "size", "events"]),
    ("ListRuns", lookup_pb2.ListRunsRequest(order_by="events asc"), ["events asc"]),
    ("ListRuns", lookup_pb2.ListRunsRequest(order_by="desc"), ["order_by='desc'"]),
    ("ListRuns", lookup_pb2.ListRunsRequest(run_first=2, run_last=1), ["run_first=2", "1"]),
    ("ListRuns", lookup_pb2.ListRunsRequest(run_last=2**63), ["run_last", str(2**63)]),
    ("ListRuns", lookup_pb2.ListRunsRequest(detector_id="a\0"), ["detector_id"]),
    ("ListDatasets", lookup_pb2.ListDatasetsRequest(state=0), ["state=0", "OPEN"]),
    ("ListDatasets", lookup_pb2.ListDatasetsRequest(state=9), ["state=9", "RETIRED"]),
    ("ListDatasets", lookup_pb2.ListDatasetsRequest(order_by="state"), ["order_by", "state"]),
    ("ListDatasets", lookup_pb2.ListDatasetsRequest(name_contains="\0"), ["name_contains"]),
    ("ListDatasets", lookup_pb2.ListDatasetsRequest(name_contains="x" * 1001), ["1,001"]),
    ("GetDataset", lookup_pb2.GetDatasetRequest(), ["dsid_raw or name"]),
    ("GetDataset", lookup_pb2.GetDatasetRequest(name=""), ["dsid_raw or name"]),
    ("GetDataset", lookup_pb2.GetDatasetRequest(dsid_raw=2**31), ["dsid_raw", str(2**31)]),
    ("GetDataset", lookup_pb2.GetDatasetRequest(name="a\0"), ["name"]),
    ("GetDataset", lookup_pb2.GetDatasetRequest(name="x" * 1001), ["1,001"]),
    ("ListFiles", lookup_pb2.ListFilesRequest(dsid_raw=2**31), ["dsid_raw", str(2**31)]),
    ("ListFiles", lookup_pb2.ListFilesRequest(run_number=2**63), ["run_number", str(2**63)]),
    ("ListFiles", lookup_pb2.ListFilesRequest(order_by="name"), ["order_by", "fuid_raw"]),
    ("ListConflicts", lookup_pb2.ListConflictsRequest(page_token="?"), ["page_token='?'"]),
    ("GetFile", lookup_pb2.GetFileRequest(fuid_raw="abc"), ["fuid_raw", "abc"]),
    ("GetFile", lookup_pb2.GetFileRequest(), ["fuid_raw"]),
    ("GetFile", lookup_pb2.GetFileRequest(fuid_raw=uuid.uuid4().hex), ["fuid_raw"]),
    ("ReadRawFile", lookup_pb2.ReadRawFileRequest(fuid_raw="{}"), ["fuid_raw"]),
]


def test_a_mistake_is_named(stub):
    """What cannot be is INVALID_ARGUMENT with the field and the value."""
    for method, request, words in MISTAKES:
        text = invalid(lambda: getattr(stub, method)(request, timeout=20))  # noqa: B023  # called at once
        for word in words:
            assert word in text, (method, request)


def test_what_is_not_there_is_not_found(runs, stub):
    """A run, dataset, file or detector that the index does not have is never an empty answer."""
    fuid = str(uuid.uuid4())
    for call, word in (
        (lambda: stub.ListFiles(lookup_pb2.ListFilesRequest(run_number=3)), "run 3"),
        (lambda: stub.ListFiles(lookup_pb2.ListFilesRequest(dsid_raw=77)), "dsid_raw=77"),
        (lambda: stub.ListConflicts(lookup_pb2.ListConflictsRequest(run_number=3)), "run 3"),
        (lambda: stub.ListRuns(lookup_pb2.ListRunsRequest(detector_id="x9")), "x9"),
        (lambda: stub.GetDataset(lookup_pb2.GetDatasetRequest(dsid_raw=77)), "dsid_raw=77"),
        (lambda: stub.GetDataset(lookup_pb2.GetDatasetRequest(dsid_raw=0)), "dsid_raw=0"),
        (lambda: stub.GetDataset(lookup_pb2.GetDatasetRequest(name="x7")), "name='x7'"),
        (lambda: stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=fuid)), fuid),
        (lambda: stub.ReadRawFile(lookup_pb2.ReadRawFileRequest(fuid_raw=fuid)), fuid),
    ):
        assert word in not_found(call)


def test_emptied_rows_are_not_listed(runs, stub, database_url):
    """Runs and files whose events were removed are not in the index any more."""
    execute(database_url, "UPDATE run SET n_events = 0 WHERE run_number = 7")
    execute(database_url, "UPDATE raw_file SET n_events = 0 WHERE run_number = 7")
    found = stub.ListRuns(lookup_pb2.ListRunsRequest()).runs
    assert [run.run_number for run in found] == [2, 4, 9]
    files = stub.ListFiles(lookup_pb2.ListFilesRequest()).files
    assert [row.run_number for row in files] == [2, 4, 9]
    assert "7" in not_found(lambda: stub.ListFiles(lookup_pb2.ListFilesRequest(run_number=7)))
