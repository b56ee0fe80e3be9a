"""`python -m benchmarks`: load workload W both ways, look pairs up in turn, print the ratios."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.pages import PageIndex, stack
from benchmarks.rows import RowTable
from benchmarks.workload import Lookup, batches
from event_store.model import EventColumns

LOOKUPS = (
    Lookup("one run, sorted, 1,000 a batch", 1_000, 200, one_run=True),
    Lookup("one run, sorted, 10,000 a batch", 10_000, 100, one_run=True),
    Lookup("random, 10,000 a batch", 10_000, 100, one_run=False),
)
# Plain SQL is slow enough for a tenth of the batches.
_ROWS_SHARE = 10


@click.command()
@click.option(
    "--runs", default=40, show_default=True, help="Runs of workload W, 450,000 events each."
)
@click.option(
    "--whole-runs/--small-batches", default=True, help="A run or 100,000 numbers a batch."
)
@click.option("--repeats", default=5, show_default=True, help="Medians of so many measurements.")
def main(runs: int, whole_runs: bool, repeats: int) -> None:
    """Measure EventIndex beside plain SQL in the same run."""
    console = Console()
    stored = batches(runs, whole_runs=whole_runs)
    events = sum(map(len, stored))
    console.print(f"{machine()}\nworkload W: {runs} runs, {events:,} events")
    with stack() as endpoints:
        pages = PageIndex(endpoints["database"], endpoints["index"])
        rows = RowTable(endpoints["database"])
        console.print(load_table(stored, pages, rows))
        console.print(lookup_table(stored, pages, rows, repeats))
        console.print(selection_table(stored, pages, rows, repeats))
        rows.close()
        pages.close()


def machine() -> str:
    """The machine in a line."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        names = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    cores = f"{os.cpu_count()} cores of {names[0] if names else model}"
    return f"{cores}, Python {platform.python_version()}"


def load_table(stored: Sequence[EventColumns], pages: PageIndex, rows: RowTable) -> Table:
    """Load one system, let the disk come to rest, load the other."""
    seconds = {}
    for name, system in (("pages", pages), ("rows", rows)):
        began = time.perf_counter()
        for batch in track(stored, f"loading {name}", transient=True):
            system.load(batch)
        seconds[name] = time.perf_counter() - began
        rows.rest()
    events = sum(map(len, stored))
    rate = {name: events / spent for name, spent in seconds.items()}
    size = {"pages": pages.bytes() / events, "rows": rows.bytes() / events}
    table = Table(
        "", "EventIndex", "rows", "ratio", title=f"load, {events // len(stored):,} events a batch"
    )
    table.add_row(
        "events/s",
        f"{rate['pages']:,.0f}",
        f"{rate['rows']:,.0f}",
        f"{rate['pages'] / rate['rows']:.1f} times faster",
    )
    table.add_row(
        "bytes/event",
        f"{size['pages']:.2f}",
        f"{size['rows']:.1f}",
        f"{size['rows'] / size['pages']:.1f} times smaller",
    )
    return table


def lookup_table(
    stored: list[EventColumns], pages: PageIndex, rows: RowTable, repeats: int
) -> Table:
    """Warm lookups over gRPC beside an unnest join, in turn."""
    table = Table(
        "pairs/s, warm", "EventIndex", "unnest join", "ratio", title="LookupStream over gRPC"
    )
    random = np.random.default_rng(1)
    for lookup in LOOKUPS:
        drawn = list(lookup.draw(stored, random))
        few = drawn[: max(1, len(drawn) // _ROWS_SHARE)]
        check(pages.lookup(drawn), drawn)
        check(sum(rows.lookup(*pairs) for pairs in few), few)
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(lookup.size * len(drawn) / timed(lambda: pages.lookup(drawn)))  # noqa: B023
            theirs.append(
                lookup.size * len(few) / timed(lambda: [rows.lookup(*pairs) for pairs in few])  # noqa: B023
            )
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        table.add_row(
            lookup.name,
            f"{statistics.median(ours):,.0f}",
            f"{statistics.median(theirs):,.0f}",
            f"{ratio:.1f}",
        )
    pairs = next(LOOKUPS[2].draw(stored, random))
    single = (pairs[0][:1000], pairs[1][:1000])
    ours_one = 1000 / timed(lambda: pages.lookup_one_by_one(*single))
    theirs_one = 1000 / timed(lambda: rows.lookup_one_by_one(*single))
    table.add_row(
        "one pair a call, one caller",
        f"{ours_one:,.0f}",
        f"{theirs_one:,.0f} (SELECT)",
        f"{ours_one / theirs_one:.2f}",
    )
    return table


def selection_table(
    stored: Sequence[EventColumns], pages: PageIndex, rows: RowTable, repeats: int
) -> Table:
    """Counting all criteria and listing by a mask, over gRPC, beside plain SQL."""
    table = Table("seconds", "EventIndex", "rows", "ratio", title="selections over all events")
    olt = np.concatenate([batch.olt for batch in stored])
    expected = {bit: int(np.count_nonzero(olt >> np.uint64(bit) & 1)) for bit in range(12)}
    if pages.count_bits() != {bit: n for bit, n in expected.items() if n}:
        raise SystemExit("wrong answer: the criteria's counts differ from the workload's")
    measured = [("count 12 criteria", pages.count_bits, rows.count_masks, "GROUP BY")]
    for bit, peer in ((2, "sequential scan"), (11, "sequential scan")):
        measured.append(_listing(bit, pages, rows, expected[bit], peer))
    for name, ours, theirs, peer in measured:
        table.add_row(*_timed_pair(name, ours, theirs, peer, repeats))
    rows.index_mask(1 << 11)
    name, ours, theirs, peer = _listing(11, pages, rows, expected[11], "partial covering index")
    table.add_row(*_timed_pair(name, ours, theirs, peer, repeats))
    return table


def _listing(
    bit: int, pages: PageIndex, rows: RowTable, expected: int, peer: str
) -> tuple[str, Callable[[], object], Callable[[], object], str]:
    for found in (pages.list_mask(1 << bit), rows.list_mask(1 << bit)):
        if found != expected:
            raise SystemExit(f"wrong answer: {found} of {expected} events with bit {bit} listed")
    return (
        f"list {expected:,} events by a mask",
        lambda: pages.list_mask(1 << bit),
        lambda: rows.list_mask(1 << bit),
        peer,
    )


def _timed_pair(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], peer: str, repeats: int
) -> tuple[str, str, str, str]:
    pairs = [(timed(ours), timed(theirs)) for _ in range(repeats)]
    ratio = statistics.median(b / a for a, b in pairs)
    own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return name, f"{own:.3f}", f"{other:.3f} ({peer})", f"{ratio:.1f}"


def check(found: int, batches_drawn: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Every drawn pair is in the index; a wrong answer is the end of the benchmark."""
    asked = sum(len(events) for _, events in batches_drawn)
    if found != asked:
        raise SystemExit(f"wrong answer: {found} of {asked} pairs found")


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
