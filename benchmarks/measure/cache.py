"""Memory of the cache a slot, and an index ten times the cache."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np

from benchmarks.context import Bench, pairs_per_second
from benchmarks.machine import resident_bytes
from benchmarks.measure.lookups import draw, in_turn
from benchmarks.peers.base import check
from benchmarks.peers.pages import Lookups
from benchmarks.processes import index_service, metric
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import Batch, Lookup
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc

_SLOTS_A_PAGE = 8192
_CACHE_BYTES_MIN = 1 << 20
_BATCH = 10_000
_WORKERS = 2
_CONNECTIONS_A_WORKER = 4
# Pages are unpacked when they are asked for again.
_ROUNDS = 2
_CASES = (
    Lookup("one run, 10,000 a batch", 10_000, one_run=True, ascending=True),
    Lookup("random, 10,000 a batch", 10_000, one_run=False, ascending=False),
)


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure a cache that holds every page, then one that holds a tenth."""
    dataset = bench.whole
    with index_service(dataset.stack.database, dataset.directory) as service:
        lookups = Lookups(service.index)
        before = _memory(service.index_metrics, service.pid, lookups)
        warm(lookups, dataset.population.one_a_page())
        after = _memory(service.index_metrics, service.pid, lookups)
        pages = metric(service.index_metrics, "eventindex_cache_pages")
        slots = pages * _SLOTS_A_PAGE
        for case, place in (("growth of the process", 0), ("gauge of the cache", 1)):
            spent = [(after[place] - before[place]) / slots]
            yield Figure(
                "cache", case, OURS, "bytes/slot", spent, dataset.label, less_is_better=True
            )
        yield from _rates(bench, lookups, "all pages in the cache")
        lookups.close()
    bound = max(_CACHE_BYTES_MIN, int(after[1]) // 10)
    with index_service(dataset.stack.database, dataset.directory, cache_bytes_max=bound) as service:
        lookups = Lookups(service.index)
        yield from _rates(bench, lookups, "an index ten times the cache")
        filled = metric(service.index_metrics, "eventindex_cache_bytes") / bound
        yield Figure(
            "cache",
            "gauge of the cache, an index ten times the cache",
            OURS,
            "of its bound",
            [filled],
            dataset.label,
            less_is_better=True,
        )
        lookups.close()


def growth_of_workers(
    database: str, directory: Path, pairs: Batch, bound: int, label: str
) -> Iterator[Figure]:
    """Measure how much all processes of a service grow, beside the bound of their caches.

    Args:
        database, directory: as for `index_service`.
        pairs: one of each page, of more pages than the bound has room for.
        bound: of all workers together, bytes.
        label: the data.
    """
    with (
        index_service(database, directory, cache_bytes_max=bound, workers=_WORKERS) as service,
        contextlib.ExitStack() as stack,
    ):
        # The kernel gives each connection to some worker; channels would share one.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        stubs = [
            lookup_pb2_grpc.IndexServiceStub(
                stack.enter_context(grpc.insecure_channel(service.index, options))
            )
            for _ in range(_CONNECTIONS_A_WORKER * _WORKERS)
        ]
        for stub in stubs:
            stub.Lookup(lookup_pb2.LookupRequest(run_numbers=[0], event_numbers=[0]))
        before = resident_bytes(service.pid)
        for stub in stubs * _ROUNDS:
            _find_all(stub, pairs)
        grown = resident_bytes(service.pid) - before
        filled = metric(service.index_metrics, "eventindex_cache_bytes")
    for case, size in (("growth of all processes", grown), ("gauge of all workers", filled)):
        name = f"{case}, {_WORKERS} workers, bound {bound / 2**20:.0f} MiB"
        yield Figure(
            "cache", name, OURS, "of the bound", [size / bound], label, less_is_better=True
        )


def _find_all(stub: lookup_pb2_grpc.IndexServiceStub, pairs: Batch) -> None:
    for start in range(0, len(pairs.runs), _BATCH):
        part = pairs.at(slice(start, start + _BATCH))
        request = lookup_pb2.LookupRequest(run_numbers=part.runs, event_numbers=part.events)
        found = sum(index > 0 for index in stub.Lookup(request).file_indexes)
        if found != len(part.runs):
            raise WrongAnswerError(f"{found} of {len(part.runs)} events were found")


def warm(lookups: Lookups, pairs: Batch) -> None:
    """Look up one event of every page."""
    batches = [
        pairs.at(slice(start, start + _BATCH)) for start in range(0, len(pairs.runs), _BATCH)
    ]
    check(OURS, "warming up", lookups.lookup(batches), batches)


def _memory(metrics_url: str, pid: int, lookups: Lookups) -> tuple[float, float]:
    lookups.client.lookup([(0, 0)])
    return resident_bytes(pid), metric(metrics_url, "eventindex_cache_bytes")


def _rates(bench: Bench, lookups: Lookups, what: str) -> Iterator[Figure]:
    random = np.random.default_rng(6)
    for case in _CASES:
        drawn = draw(bench.whole.population, case, random)
        rates = {OURS: lambda batches: pairs_per_second(OURS, what, lookups.lookup, batches)}
        samples = in_turn(rates, drawn, bench.sizes.repeats, bench.sizes.sample_s)
        yield Figure(
            "cache",
            f"{case.name}, {what}",
            OURS,
            "pairs/s",
            samples[OURS],
            bench.whole.label,
        )
