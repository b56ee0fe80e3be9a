"""Ingest and lookups at once, beside each alone; what was acknowledged is looked up at once.

The writer is a process of its own that sends new runs through gRPC, 100,000 event numbers a batch.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

import numpy as np

import eventindex
from benchmarks.context import Bench, Dataset, pairs_per_second
from benchmarks.measure.lookups import draw
from benchmarks.peers.base import as_batch, check
from benchmarks.peers.pages import Lookups
from benchmarks.results import OURS, Figure
from benchmarks.workload import Batch, Lookup, run_blocks, to_store

_CASE = Lookup("random", 10_000, one_run=False, ascending=False)
_BLOCKS_A_SECOND_MAX = 100
_CHECK_EVERY = 10
_CHECKED_PAIRS = 1_000
_SAMPLES_LONGER = 10
# Far above the runs that other measurements store.
_RUN_FIRST = 1_000_000


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure writes alone, lookups alone, both at once."""
    dataset, seconds = bench.whole, bench.sizes.sample_s * _SAMPLES_LONGER
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    writer = context.Process(target=_write, args=(there, dataset.stack.index, dataset.stack.ingest))
    writer.start()
    rates: dict[tuple[str, str], list[float]] = {}
    try:
        for _ in range(bench.sizes.repeats):
            for how, reads, writes in (("alone", 1, 0), ("alone", 0, 1), ("both at once", 1, 1)):
                if writes:
                    here.send(seconds)
                    _answer(here)
                if reads:
                    rates.setdefault((f"lookups, {how}", "pairs/s"), []).append(
                        _look_up(dataset, seconds)
                    )
                if writes:
                    rates.setdefault((f"ingest, {how}", "events/s"), []).append(_answer(here))
    finally:
        here.send(None)
        writer.join()
    for (case, unit), samples in rates.items():
        yield Figure("live", case, OURS, unit, samples, dataset.label)


def _answer(pipe: Connection) -> float:
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return float(answer)


def _look_up(dataset: Dataset, seconds: float) -> float:
    """Look up over and over for some time; the rate."""
    drawn = draw(dataset.population, _CASE, np.random.default_rng(7))[:50]
    until, rates = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        rates.append(pairs_per_second(OURS, "live", dataset.ours.lookup, drawn))
    return float(len(rates) / sum(1 / rate for rate in rates))


def _write(pipe: Connection, index: str, ingest: str) -> None:
    """Write, in a process of its own, for each number of seconds received for so long."""
    lookups = Lookups(index)
    blocks = itertools.chain.from_iterable(map(run_blocks, itertools.count(_RUN_FIRST)))
    with eventindex.connect(index, ingest_address=ingest) as client:
        for seconds in iter(pipe.recv, None):
            try:
                # Made before the clock starts, more than fit.
                made = list(itertools.islice(blocks, max(1, int(seconds * _BLOCKS_A_SECOND_MAX))))
                pipe.send(0.0)
                pipe.send(_write_for(seconds, client, lookups, made))
            except Exception as error:  # noqa: BLE001  # raised again by the one who asked
                pipe.send(error)
    lookups.close()


def _write_for(
    seconds: float,
    client: eventindex.Client,
    lookups: Lookups,
    made: Sequence[eventindex.EventColumns],
) -> float:
    """Send blocks and check a part of some of them once they are acknowledged; events/s."""
    events, checks_s, began = 0, 0.0, time.perf_counter()
    for number, ack in enumerate(client.ingest(made)):
        events += ack.inserted
        if number % _CHECK_EVERY == 0:
            started = time.perf_counter()
            _check_written(lookups, as_batch(to_store(made[number])))
            checks_s += time.perf_counter() - started
        if time.perf_counter() - began > seconds:
            break
    return events / (time.perf_counter() - began - checks_s)


def _check_written(lookups: Lookups, written: Batch) -> None:
    step = max(1, len(written.runs) // _CHECKED_PAIRS)
    asked = written.at(slice(None, None, step))
    check(OURS, "just acknowledged", lookups.lookup([asked]), [asked])
