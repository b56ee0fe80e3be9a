"""Selections, counts and overlaps against a brute-force NumPy answer."""

from __future__ import annotations

import uuid

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_store.model import EventColumns, RawFile
from event_store.pages.format import FUID_DTYPE, SLOT_BITS, PageEvents, pack
from event_store.select.selection import (
    Selection,
    count,
    count_bit_pairs,
    count_bits,
    count_files,
    select,
    take,
)
from event_store.write.writer import Store
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute, query
from tests.support.processes import wait_until
from tests.support.selection import as_selection, brute_force

FILES = [RawFile(uuid.UUID(int=i + 1), i % 3) for i in range(20)]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_masks_on_planes_select_as_arrays_do(data):
    """Any page and any selection: the planes give what comparing arrays gives."""
    n = data.draw(st.sampled_from([1, 7, 100, 511, 512, 5000, 8192]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    slots = np.sort(random.choice(8192, n, replace=False)).astype(np.uint16)
    n_files = data.draw(st.integers(1, min(n, len(FILES))))
    index = random.permutation(np.arange(n) % n_files).astype(np.uint16)
    olt = random.integers(0, 2 ** data.draw(st.sampled_from([1, 4, 12, 63])), n).astype(np.uint64)
    fuids = np.frombuffer(b"".join(f.fuid.bytes for f in FILES[:n_files]), FUID_DTYPE)
    dsids = np.array([f.dsid for f in FILES[:n_files]], np.int32)
    page = pack(PageEvents(slots, index, olt, fuids, dsids))
    page_no = data.draw(st.sampled_from([0, 3, 2**50 - 1]))
    events = (page_no << SLOT_BITS) + slots.astype(np.int64)
    masks = st.integers(0, 15) | st.integers(0, 2**64 - 1)
    low, high = sorted(data.draw(st.tuples(st.integers(-9, 8200), st.integers(-9, 8200))))
    selection = Selection(
        event_first=max(0, (page_no << SLOT_BITS) + low),
        event_last=min(2**63 - 1, max(0, (page_no << SLOT_BITS) + high)),
        dsid=data.draw(st.none() | st.integers(0, 3)),
        fuid=data.draw(st.none() | st.sampled_from([f.fuid.bytes for f in FILES])),
        olt_all=data.draw(st.just(0) | masks),
        olt_any=data.draw(st.just(0) | masks),
        olt_none=data.draw(st.just(0) | masks),
    )
    wanted = brute_force(selection, events, index, olt, FILES)
    mask = select(page, page_no, selection)
    chosen = take(page, page_no, mask)
    np.testing.assert_array_equal(chosen.events, events[wanted])
    np.testing.assert_array_equal(chosen.file_index, index[wanted])
    np.testing.assert_array_equal(chosen.olt, olt[wanted])
    assert count(mask) == wanted.sum()
    bits = (olt[wanted, np.newaxis] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    np.testing.assert_array_equal(count_bits(page, mask), bits.sum(axis=0))
    np.testing.assert_array_equal(count_bit_pairs(page, mask), bits.T @ bits)
    np.testing.assert_array_equal(
        count_files(page, mask), np.bincount(index[wanted], minlength=n_files)
    )


class Index:
    """Events of several runs, dense and sparse, in arrays and in the index."""

    def __init__(self, url):
        random = np.random.default_rng(11)
        runs, events = [], []
        for run, span, n in ((1, 30_000, 20_000), (2, 10**12, 300), (5, 9000, 9000)):
            numbers = np.unique(random.integers(0, span, n))
            runs.append(np.full(len(numbers), run))
            events.append(numbers)
        self.runs, self.events = np.concatenate(runs), np.concatenate(events)
        n = len(self.runs)
        self.index = random.integers(0, len(FILES), n)
        self.olt = random.integers(0, 2**12, n).astype(np.uint64)
        store = Store(url)
        store.write(
            EventColumns(
                self.runs,
                self.events,
                self.olt,
                self.index.astype(np.int32),
                FILES,
                np.zeros(n, np.int32),
                ["test"],
            )
        )
        store.close()


@pytest.fixture
def index(database_url):
    return Index(database_url)


@pytest.fixture
def stub(index, index_address):
    with grpc.insecure_channel(index_address) as channel:
        yield lookup_pb2_grpc.IndexServiceStub(channel)


def events_of(batches):
    """(run, event, file id, mask) of every event of a listing, in its order."""
    found = []
    for batch in batches:
        olt = batch.olt_results or [0] * len(batch.event_numbers)
        assert len({(f.fuid_raw, f.dsid_raw) for f in batch.files}) == len(batch.files)
        assert set(batch.file_indexes) == set(range(1, len(batch.files) + 1))
        found += [
            (batch.run_numbers[0], event, batch.files[file - 1].fuid_raw, bits)
            for event, file, bits in zip(batch.event_numbers, batch.file_indexes, olt, strict=True)
        ]
    return found


def expected(index, wanted):
    return [
        (int(run), int(event), str(FILES[file].fuid), int(bits))
        for run, event, file, bits in zip(
            index.runs[wanted],
            index.events[wanted],
            index.index[wanted],
            index.olt[wanted],
            strict=True,
        )
    ]


SELECTIONS = [
    {},
    {"run_first": 2, "run_last": 5},
    {"run_first": 1, "run_last": 1, "event_first": 8000, "event_last": 17_000},
    {"dsid_raw": 2},
    {"fuid_raw": str(FILES[4].fuid), "run_last": 2},
    {"olt_all": 0b11, "olt_none": 0b100},
    {"olt_any": 0b1000_0000_0001, "dsid_raw": 1, "event_last": 9000},
    {"olt_all": 1 << 40},
]


@pytest.mark.parametrize("fields", SELECTIONS, ids=str)
def test_lists_and_counts_equal_the_arrays(index, stub, fields):
    """Every way of listing and counting a selection gives the brute-force answer."""
    selection = as_selection(fields)
    wanted = brute_force(selection, index.events, index.index, index.olt, FILES)
    wanted &= (index.runs >= selection.run_first) & (index.runs <= selection.run_last)
    message = lookup_pb2.EventSelection(**fields)
    assert events_of(
        stub.ListEvents(lookup_pb2.ListEventsRequest(selection=message, batch_events_max=777))
    ) == expected(index, wanted)

    def counts(by):
        return stub.CountEvents(lookup_pb2.CountEventsRequest(selection=message, by=by))

    total = int(wanted.sum())
    assert counts(lookup_pb2.COUNT_BY_UNSPECIFIED).total == total
    by_run = counts(lookup_pb2.COUNT_BY_RUN)
    assert by_run.total == total
    runs, n_events = np.unique(index.runs[wanted], return_counts=True)
    assert [(c.run_number, c.events) for c in by_run.counts] == list(
        zip(runs.tolist(), n_events.tolist(), strict=True)
    )
    files, n_events = np.unique(index.index[wanted], return_counts=True)
    by_file = {
        (FILES[file].dsid, str(FILES[file].fuid)): n
        for file, n in zip(files.tolist(), n_events.tolist(), strict=True)
    }
    found = counts(lookup_pb2.COUNT_BY_FILE).counts
    assert {(c.dsid_raw, c.fuid_raw): c.events for c in found} == by_file
    by_dataset: dict[int, int] = {}
    for (dsid, _), n in by_file.items():
        by_dataset[dsid] = by_dataset.get(dsid, 0) + n
    found = counts(lookup_pb2.COUNT_BY_DATASET).counts
    assert {c.dsid_raw: c.events for c in found} == by_dataset
    bits = ((index.olt[wanted, np.newaxis] >> np.arange(12, dtype=np.uint64)) & 1).astype(int)
    both = bits.T @ bits
    found = counts(lookup_pb2.COUNT_BY_OLT_BIT).counts
    assert {c.olt_bit: c.events for c in found} == {
        bit: int(both[bit, bit]) for bit in range(12) if both[bit, bit]
    }
    found = counts(lookup_pb2.COUNT_BY_OLT_BIT_PAIR).counts
    assert {(c.olt_bit, c.other_olt_bit): c.events for c in found} == {
        (bit, other): int(both[bit, other])
        for bit in range(12)
        for other in range(bit, 12)
        if both[bit, bit] and both[other, other]
    }


def test_a_listing_resumes_behind_any_event(index, stub):
    """Cut anywhere and resumed, a listing gives every event once."""
    whole = expected(index, np.ones(len(index.runs), bool))
    got = []
    cuts = iter([1, 8191, 8192, 3, 12_000, 100_000])
    while len(got) < len(whole):
        request = lookup_pb2.ListEventsRequest(events_max=next(cuts), batch_events_max=5000)
        if got:
            request.after_run_number, request.after_event_number = got[-1][:2]
        got += events_of(stub.ListEvents(request))
    assert got == whole


def test_named_criteria_show_in_counts(index, stub, database_url):
    """A bit is counted under the name it has in the run; a new name begins a new count."""
    execute(
        database_url,
        "INSERT INTO olt_criterion (bit, first_run, name) VALUES "
        "(0, 0, 'muon'), (0, 5, 'muon v2'), (40, 0, 'never')",
    )
    request = lookup_pb2.CountEventsRequest(by=lookup_pb2.COUNT_BY_OLT_BIT)
    counts = {
        (count.olt_bit, count.olt_name): count.events for count in stub.CountEvents(request).counts
    }
    bit_0 = (index.olt & 1).astype(bool)
    assert counts[0, "muon"] == (bit_0 & (index.runs < 5)).sum()
    assert counts[0, "muon v2"] == (bit_0 & (index.runs >= 5)).sum()
    assert counts[40, "never"] == 0


def test_a_retired_dataset_is_listed_and_marked(index, stub, database_url):
    """Events of a retired dataset are still listed; their files say that it is retired."""
    execute(database_url, "UPDATE dataset SET state = 3 WHERE dsid_raw = 1")
    states = {
        (file.dsid_raw, file.dataset_state)
        for batch in stub.ListEvents(lookup_pb2.ListEventsRequest())
        for file in batch.files
    }
    assert states == {(0, 1), (1, 3), (2, 1)}


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"run_first": 5, "run_last": 4}, "INVALID_ARGUMENT", "run_first=5"),
        ({"event_first": 2**63}, "INVALID_ARGUMENT", "event_first=9223372036854775808"),
        ({"fuid_raw": "{not a uuid}"}, "INVALID_ARGUMENT", "{not a uuid}"),
        ({"dsid_raw": 2**31}, "INVALID_ARGUMENT", "dsid_raw=2147483648"),
        ({"olt_all": 3, "olt_none": 2}, "INVALID_ARGUMENT", "olt_none=0x2"),
        ({"run_first": 77, "run_last": 77}, "NOT_FOUND", "run 77"),
        ({"dsid_raw": 99}, "NOT_FOUND", "dsid_raw=99"),
        ({"fuid_raw": str(uuid.UUID(int=99))}, "NOT_FOUND", str(uuid.UUID(int=99))),
    ],
)
def test_a_mistake_is_never_an_empty_answer(stub, fields, code, word):
    """What cannot be, or is not in the index, is an error that names it."""
    message = lookup_pb2.EventSelection(**fields)
    for call in (
        lambda: list(stub.ListEvents(lookup_pb2.ListEventsRequest(selection=message))),
        lambda: stub.CountEvents(lookup_pb2.CountEventsRequest(selection=message)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code().name == code
        assert word in caught.value.details()


def test_a_cancelled_listing_ends_its_queries(index, stub, database_url):
    """After a cancellation no query of the listing is left in the database."""
    call = stub.ListEvents(lookup_pb2.ListEventsRequest(batch_events_max=1))
    next(iter(call))
    call.cancel()
    running = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'eventindex index_service' AND state = 'active'"
    )
    wait_until(lambda: not query(database_url, running), timeout=1, what="end of the queries")
