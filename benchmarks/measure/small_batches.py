"""Batches of 1,000 pairs of one run on one stream and on eight, beside an empty server.

Both are one process: a stream sticks to a worker. A stream has one batch in flight.
CPU time is that of the service, a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from benchmarks import traffic
from benchmarks.context import Bench
from benchmarks.echo_client import Echo
from benchmarks.machine import cpu_s
from benchmarks.peers.base import check
from benchmarks.peers.pages import Lookups
from benchmarks.processes import index_service
from benchmarks.results import OURS, Figure
from benchmarks.workload import Lookup

ECHO = "empty gRPC echo"
STREAMS = (1, 8)
_CASE = Lookup("one run, 1,000 a batch", 1_000, one_run=True, ascending=True)
_BATCHES = 100
_SAMPLES_LONGER = 10
_CACHE_BYTES = 1 << 30


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure the index and the empty server in turn."""
    dataset = bench.whole
    batches = dataset.population.draw(_CASE, _BATCHES, np.random.default_rng(9))
    seconds = bench.sizes.sample_s * _SAMPLES_LONGER
    with (
        index_service(
            dataset.stack.database, dataset.directory, cache_bytes_max=_CACHE_BYTES
        ) as service,
        Echo(service.index, {_CASE.name: batches}, dataset.directory) as echo,
    ):
        # The second time they come from pages that are in the cache, the third from unpacked ones.
        client = Lookups(service.index)
        for _ in range(2):
            check(OURS, _CASE.name, client.lookup(batches), batches)
        client.close()
        systems = {OURS: (service.index, service.pid), ECHO: (echo.address, echo.pid)}
        for count in STREAMS:
            rates: Mapping[str, list[float]] = {name: [] for name in systems}
            spent: Mapping[str, list[float]] = {name: [] for name in systems}
            for _ in range(bench.sizes.repeats):
                for name, (address, pid) in systems.items():
                    before = cpu_s(pid)
                    taken = traffic.streams(address, batches, count, seconds)
                    cpu = (cpu_s(pid) - before) / len(taken.latencies)
                    rates[name].append(taken.messages_per_second * _CASE.size)
                    spent[name].append(cpu * 1e6)
            what = f"{_CASE.name}, {count} stream{'s' * (count > 1)}"
            for name in systems:
                yield Figure("small_batches", what, name, "pairs/s", rates[name], dataset.label)
                yield Figure(
                    "small_batches",
                    f"{what}, CPU of the server a batch",
                    name,
                    "us",
                    spent[name],
                    dataset.label,
                    less_is_better=True,
                )
