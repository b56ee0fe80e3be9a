"""Counting all criteria and listing by a mask, over gRPC, beside plain SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.context import Bench, Dataset, timed
from benchmarks.peers.postgres_rows import RowTable
from benchmarks.results import OURS, Figure, WrongAnswerError

_FREQUENT_BIT, _RARE_BIT = 2, 11


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure criteria by GROUP BY, masks by a scan, a rare mask by an index made for it."""
    dataset = bench.subset
    (rows,) = (peer for peer in dataset.peers if isinstance(peer, RowTable))
    counts = dataset.population.olt_counts.tolist()
    if dataset.ours.count_bits() != {bit: n for bit, n in enumerate(counts) if n}:
        raise WrongAnswerError("the criteria's counts differ from the workload's")
    yield from _in_turn(
        bench,
        "count 12 criteria; rows by GROUP BY",
        dataset.ours.count_bits,
        rows.count_masks,
    )
    for bit in (_FREQUENT_BIT, _RARE_BIT):
        yield from _listing(bench, dataset, rows, bit, "sequential scan")
    rows.index_mask(1 << _RARE_BIT)
    yield from _listing(bench, dataset, rows, _RARE_BIT, "partial covering index")
    rows.unindex_mask(1 << _RARE_BIT)


def _listing(
    bench: Bench, dataset: Dataset, rows: RowTable, bit: int, way: str
) -> Iterator[Figure]:
    mask, expected = 1 << bit, int(dataset.population.olt_counts[bit])
    for found in (dataset.ours.list_mask(mask), rows.list_mask(mask)):
        if found != expected:
            raise WrongAnswerError(f"{found} of {expected} events with bit {bit} listed")
    case = f"list {expected:,} events by a mask; rows by a {way}"
    return _in_turn(
        bench,
        case,
        lambda: dataset.ours.list_mask(mask),
        lambda: rows.list_mask(mask),
    )


def _in_turn(
    bench: Bench,
    case: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
) -> Iterator[Figure]:
    pairs = [(timed(ours), timed(theirs)) for _ in range(bench.sizes.repeats)]
    for name, samples in zip((OURS, "rows, plain SQL"), zip(*pairs, strict=True), strict=True):
        yield Figure(
            "selections", case, name, "s", list(samples), bench.subset.label, less_is_better=True
        )
