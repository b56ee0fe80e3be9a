"""Events out of a ROOT file: uproot's own reading, ours, and the whole `eventindex load`.

    python -m benchmarks.root_files [--events N]

All in one run on one file of pseudo-data, in turn; the load is into a stack of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import uproot

from benchmarks.machine import PeakMemory
from benchmarks.processes import EVENTINDEX, Stack, data_directory, stack
from eventindex.root_files.branches import Wanted
from eventindex.root_files.events import find_tree, read_steps
from eventindex.root_files.opening import open_root

_RUN_EVENTS = 500_000
_STEP = 250_000
_REPEATS = 3
_BRANCHES = ["run", "event", "mask"]
_WANTED = Wanted(columns={"olt_result": "mask"})


def write(path: Path, events: int, run_first: int) -> None:
    """Write a TTree with two numbers, a mask of twelve bits and some other branch."""
    rng = np.random.default_rng(1)
    types = {"run": np.uint32, "event": np.uint64, "mask": np.uint64, "pt": np.float32}
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("Events", types)
        for start in range(0, events, _STEP):
            count = min(_STEP, events - start)
            numbers = np.arange(start, start + count, dtype=np.uint64)
            tree.extend(
                {
                    "run": (run_first + numbers // _RUN_EVENTS).astype(np.uint32),
                    "event": numbers % _RUN_EVENTS,
                    "mask": rng.integers(0, 4096, count, dtype=np.uint64),
                    "pt": rng.random(count, dtype=np.float32),
                }
            )


def read_by_uproot(path: Path) -> int:
    """Read the three branches by `TTree.iterate` alone; the number of events."""
    with uproot.open(path, array_cache=None) as file:
        steps = file["Events"].iterate(_BRANCHES, step_size=100_000, library="np")
        return sum(len(step["event"]) for step in steps)


def read_by_us(path: Path) -> int:
    """Read checked columns as `load` does; the number of events."""
    with open_root(str(path)) as file:
        return sum(len(step.events) for step in read_steps(find_tree(file, _WANTED), None))


def rate(work: Callable[[Path], int], path: Path) -> float:
    """Return events a second."""
    began = time.perf_counter()
    return work(path) / (time.perf_counter() - began)


def load(path: Path, running: Stack, memory: PeakMemory) -> float:
    """Run `eventindex load`; its seconds."""
    began = time.perf_counter()
    options = ["--dsid", "1", "--columns", "olt=mask", "--address", running.ingest]
    process = subprocess.Popen([EVENTINDEX, "load", path, *options], stderr=subprocess.DEVNULL)
    memory.watch("load", process.pid)
    if process.wait():
        sys.exit(f"eventindex load ended with {process.returncode}")
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    events = parser.parse_args().events
    with data_directory() as directory, stack(directory) as running:
        path = directory / "events.root"
        theirs, ours, whole = [], [], []
        memory = PeakMemory({})
        with memory.sampling():
            for repeat in range(_REPEATS):
                write(path, events, 1 + repeat * events)
                theirs.append(rate(read_by_uproot, path))
                ours.append(rate(read_by_us, path))
                whole.append(events / load(path, running, memory))
    shares = [our / their for our, their in zip(ours, theirs, strict=True)]
    print(f"uproot alone      {median(theirs) / 1e6:6.2f} M events/s")
    print(f"checked columns   {median(ours) / 1e6:6.2f} M events/s, {median(shares):.2f} of that")
    print(f"eventindex load   {median(whole) / 1e6:6.2f} M events/s, the whole command")
    print(f"its memory        {memory.bytes['load'] / 1e6:6.0f} MB at most")


if __name__ == "__main__":
    main()
