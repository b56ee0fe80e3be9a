"""1 to 1,000 LookupStreams at once: pairs/s, latency of a batch, memory of the service.

A stream has one batch of 1,000 pairs in flight. The callers share the machine with the service.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks import traffic
from benchmarks.context import Bench
from benchmarks.machine import resident_bytes
from benchmarks.processes import index_service
from benchmarks.results import OURS, Figure
from benchmarks.workload import Lookup

_CASE = Lookup("random, 1,000 a batch", 1_000, one_run=False, ascending=False)
_BATCHES = 200
# With a thousand streams a batch waits a second for its turn.
_SAMPLES_LONGER = 10


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure each number of streams in turn, on a service of its own."""
    dataset = bench.whole
    batches = dataset.population.draw(_CASE, _BATCHES, np.random.default_rng(4))
    seconds = bench.sizes.sample_s * _SAMPLES_LONGER
    with index_service(dataset.stack.database, dataset.directory) as service:
        traffic.streams(service.index, batches, 1, seconds)
        for count in bench.sizes.streams:
            taken, memory = [], []
            for _ in range(bench.sizes.repeats):
                taken.append(traffic.streams(service.index, batches, count, seconds))
                memory.append(resident_bytes(service.pid) / 2**20)
            columns = {
                "pairs/s": [one.messages_per_second * _CASE.size for one in taken],
                "ms, p50": [one.percentile(50) for one in taken],
                "ms, p99": [one.percentile(99) for one in taken],
                "MiB, memory of the service": memory,
            }
            for unit, samples in columns.items():
                yield Figure(
                    "streams",
                    _CASE.name,
                    OURS,
                    unit,
                    samples,
                    dataset.label,
                    less_is_better=unit != "pairs/s",
                    x=count,
                    x_name="streams at once",
                )
