"""Selections over many events: the answers equal the arrays', and listing holds no answer."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace

import grpc
import numpy as np
import psutil
import pytest

from benchmarks.workload import WORKLOAD_W
from event_store.model import EventColumns, RawFile
from event_store.write.writer import Store
from eventindex.generate import generate
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.support.processes import Service
from tests.support.selection import as_selection, brute_force

# The mix of the workload of the benchmarks, with its files in several datasets.
MIX = replace(WORKLOAD_W, runs=2, events=250_000, datasets=3)
N_BITS = len(MIX.trigger_probabilities)
MIB = 1 << 20
# An answer of 95 MiB may add so much to the process that one of 19 MiB did not need.
RSS_GROWTH_BYTES_MAX = 24 * MIB
# Each thread of the service takes memory of its own once.
WARM_UP_LISTINGS = 3
PAUSE_S = 1.0


class Workload:
    """The mix in the index, and in arrays: runs, events, olt, index into files."""

    def __init__(self, url):
        store, parts = Store(url), []
        place: dict[RawFile, int] = {}
        for block in generate(MIX):
            files = [RawFile(uuid.UUID(file.fuid_raw), file.dsid_raw) for file in block.files]
            index = (block.file_indexes - 1).astype(np.int32)
            values = block.run_numbers, block.event_numbers, block.olt_results
            store.write(columns(*values, index, files))
            known = np.array([place.setdefault(file, len(place)) for file in files])
            parts.append((*values, known[index]))
        store.close()
        self.files = list(place)
        self.runs, self.events, self.olt, self.index = map(np.concatenate, zip(*parts, strict=True))

    def take(self, selection):
        """The positions that a selection takes, ascending."""
        wanted = brute_force(selection, self.events, self.index, self.olt, self.files)
        return np.flatnonzero(
            wanted & (self.runs >= selection.run_first) & (self.runs <= selection.run_last)
        )


def columns(runs, events, olt, index, files) -> EventColumns:
    return EventColumns(runs, events, olt, index, files, np.zeros(len(events), np.int32), ["test"])


def draw(random, workload):
    """A selection of two to four conditions, each of them met by some events."""
    one = random.integers(0, len(workload.events))
    bits = [1 << int(bit) for bit in random.permutation(6)]
    low, high = sorted(random.integers(0, MIX.events, 2).tolist())
    choices = {
        "run_first": int(workload.runs[one]),
        "run_last": int(workload.runs[one]),
        "event_first": low,
        "event_last": high,
        "dsid_raw": workload.files[workload.index[one]].dsid,
        "fuid_raw": str(workload.files[workload.index[one]].fuid),
        "olt_all": bits[0],
        "olt_any": bits[1] | bits[2],
        "olt_none": bits[3],
    }
    names = random.choice(list(choices), random.integers(2, 5), replace=False)
    return {str(name): choices[name] for name in names}


def listed(batches):
    """Columns of a listing: runs, events, olt, and the file and dataset of each event."""
    parts = []
    for batch in batches:
        n = len(batch.event_numbers)
        files = np.array([(file.fuid_raw, file.dsid_raw) for file in batch.files], object)
        parts.append(
            (
                np.broadcast_to(np.array(batch.run_numbers, np.int64), n),
                np.array(batch.event_numbers, np.int64),
                np.array(batch.olt_results or np.zeros(n), np.uint64),
                files[np.array(batch.file_indexes) - 1],
            )
        )
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def check_listing(stub, workload, message, wanted):
    """The listing of a selection is the arrays at the wanted positions, in their order."""
    answer = list(stub.ListEvents(lookup_pb2.ListEventsRequest(selection=message)))
    if not len(wanted):
        assert not answer
        return
    runs, events, olt, files = listed(answer)
    known = np.array([(str(file.fuid), file.dsid) for file in workload.files], object)
    np.testing.assert_array_equal(runs, workload.runs[wanted])
    np.testing.assert_array_equal(events, workload.events[wanted])
    np.testing.assert_array_equal(olt, workload.olt[wanted])
    np.testing.assert_array_equal(files, known[workload.index[wanted]])


def brute_counts(workload, wanted):
    """What each way to count answers: by -> key -> events, without zeros."""
    runs, index, olt = (array[wanted] for array in (workload.runs, workload.index, workload.olt))
    dsids = np.array([file.dsid for file in workload.files])[index]
    bits = ((olt[:, np.newaxis] >> np.arange(N_BITS, dtype=np.uint64)) & np.uint64(1)).astype(int)
    both = bits.T @ bits
    pairs = [(bit, other) for bit in range(N_BITS) for other in range(bit, N_BITS)]
    files = np.bincount(index, minlength=len(workload.files))
    return {
        lookup_pb2.COUNT_BY_RUN: occurrences(runs),
        lookup_pb2.COUNT_BY_DATASET: occurrences(dsids),
        lookup_pb2.COUNT_BY_FILE: {
            (file.dsid, str(file.fuid)): n
            for file, n in zip(workload.files, files.tolist(), strict=True)
            if n
        },
        lookup_pb2.COUNT_BY_OLT_BIT: {b: int(both[b, b]) for b in range(N_BITS) if both[b, b]},
        lookup_pb2.COUNT_BY_OLT_BIT_PAIR: {p: int(both[p]) for p in pairs if both[p]},
    }


def occurrences(values):
    """How often each value occurs."""
    distinct, counts = np.unique(values, return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))


KEYS = {
    lookup_pb2.COUNT_BY_RUN: lambda count: count.run_number,
    lookup_pb2.COUNT_BY_DATASET: lambda count: count.dsid_raw,
    lookup_pb2.COUNT_BY_FILE: lambda count: (count.dsid_raw, count.fuid_raw),
    lookup_pb2.COUNT_BY_OLT_BIT: lambda count: count.olt_bit,
    lookup_pb2.COUNT_BY_OLT_BIT_PAIR: lambda count: (count.olt_bit, count.other_olt_bit),
}


def test_random_selections_of_the_workload_equal_the_arrays(database_url, index_address):
    """Listings and every count of random selections of workload W are the brute-force answers."""
    workload, random, taken = Workload(database_url), np.random.default_rng(5), []
    with grpc.insecure_channel(index_address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        for fields in [{}, *(draw(random, workload) for _ in range(12))]:
            wanted = workload.take(as_selection(fields))
            taken.append(len(wanted))
            message = lookup_pb2.EventSelection(**fields)
            check_listing(stub, workload, message, wanted)
            request = lookup_pb2.CountEventsRequest(selection=message)
            assert stub.CountEvents(request).total == len(wanted), fields
            for by, expected in brute_counts(workload, wanted).items():
                request = lookup_pb2.CountEventsRequest(selection=message, by=by)
                answer = stub.CountEvents(request)
                found = {KEYS[by](count): count.events for count in answer.counts}
                assert {key: n for key, n in found.items() if n} == expected, (fields, by)
                assert (answer.total, len(found)) == (len(wanted), len(answer.counts)), fields
    assert sum(n > 0 for n in taken) > 6, taken


def fill(url, run_first, runs):
    """Store a million events a run: 1,024 in a page, 19 bytes of number and mask on the wire."""
    store, n = Store(url), 1_000_000
    files = [RawFile(uuid.UUID(int=i + 1), 1) for i in range(8)]
    events = (1 << 62) + 8 * np.arange(n)
    index = (np.arange(n) % len(files)).astype(np.int32)
    olt = np.uint64(1 << 63) | (np.arange(n) % 7).astype(np.uint64)
    for run in range(run_first, run_first + runs):
        store.write(columns(np.full(n, run), events, olt, index, files))
    store.close()


@contextmanager
def peak_rss(pid):
    """The largest resident size of a process meanwhile, in bytes, as the only element."""
    process, ended, peak = psutil.Process(pid), threading.Event(), [0]

    def watch():
        while not ended.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def service(database_url):
    started = Service("index_service", database_url=database_url).start()
    yield started
    started.close()


def read(stub, pause_at=None):
    """Events and bytes of a listing of everything, read with a pause behind one message."""
    n_events = n_bytes = 0
    for number, batch in enumerate(stub.ListEvents(lookup_pb2.ListEventsRequest())):
        n_events += len(batch.event_numbers)
        n_bytes += batch.ByteSize()
        if number == pause_at:
            threading.Event().wait(PAUSE_S)
    return n_events, n_bytes


@pytest.mark.slow
def test_memory_of_a_listing_does_not_grow_with_its_answer(database_url, service):
    """Listing five million events takes the memory of one million, also for a slow reader."""
    pid = service.process.pid
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        fill(database_url, 1, 1)
        with peak_rss(pid) as small:
            for _ in range(WARM_UP_LISTINGS):
                assert read(stub)[0] == 1_000_000
        fill(database_url, 2, 4)
        for pause_at in (None, 3):
            with peak_rss(pid) as large:
                n_events, n_bytes = read(stub, pause_at)
            assert n_events == 5_000_000
            assert n_bytes > 3 * RSS_GROWTH_BYTES_MAX
            assert large[0] - small[0] < RSS_GROWTH_BYTES_MAX, (small, large, pause_at)
