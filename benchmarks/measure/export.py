"""`eventindex events -o X.parquet` of everything beside DuckDB's COPY of the same rows.

DuckDB holds the rows that were exported in memory; both are whole: the command with its start.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb

from benchmarks.context import Bench, timed
from benchmarks.processes import EVENTINDEX, Stack
from benchmarks.results import OURS, Figure, WrongAnswerError


def measure(bench: Bench) -> Iterator[Figure]:
    """Export all events in turn, and count what is in both files."""
    dataset = bench.whole
    ours, theirs = dataset.directory / "ours.parquet", dataset.directory / "theirs.parquet"
    events = dataset.population.events
    rates: dict[str, list[float]] = {OURS: [], "DuckDB": []}
    with duckdb.connect() as connection:
        for _ in range(bench.sizes.repeats):
            rates[OURS].append(events / timed(lambda: _export(dataset.stack, ours)))
            connection.execute(f"CREATE OR REPLACE TABLE events AS FROM '{ours}'")
            copy = f"COPY events TO '{theirs}' (FORMAT parquet)"
            rates["DuckDB"].append(events / timed(partial(connection.execute, copy)))
            for path in (ours, theirs):
                found = connection.execute(
                    "SELECT count(*), count(DISTINCT run_number * 1000000 + event_number), "
                    f"bit_xor(olt_result) FROM '{path}'"
                ).fetchone()
                if not found or found[:2] != (events, events):
                    raise WrongAnswerError(f"{path.name} has {found} of {events} events")
    for name, samples in rates.items():
        yield Figure("export", "all events to Parquet", name, "events/s", samples, dataset.label)


def _export(stack: Stack, path: Path) -> None:
    done = subprocess.run(
        [EVENTINDEX, "events", "-o", path, "--address", stack.index],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongAnswerError(f"eventindex events ended with {done.returncode}: {done.stderr}")
