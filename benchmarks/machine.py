"""The machine in words, and the memory and CPU time of processes on it."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

_SAMPLE_EVERY_S = 1.0


def describe() -> dict[str, str]:
    """Return what somebody needs to know who compares with another machine."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "cores": f"{os.cpu_count()} of {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "when": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def resident_bytes(pid: int) -> int:
    """Return the memory of a process and its children: shared pages count once (PSS)."""
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its children so far."""
    top = psutil.Process(pid)
    times = [process.cpu_times() for process in (top, *top.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


class PeakMemory:
    """The largest memory of each of some processes with their children, sampled in a thread."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.bytes = dict.fromkeys(pids, 0)
        self._pids = dict(pids)
        self._done = threading.Event()

    def watch(self, name: str, pid: int) -> None:
        """Watch one more process; the peak of a name is over all its processes in turn."""
        self.bytes.setdefault(name, 0)
        self._pids = {**self._pids, name: pid}

    @contextlib.contextmanager
    def sampling(self) -> Iterator[PeakMemory]:
        """Sample until the end of the block."""
        thread = threading.Thread(target=self._sample, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._done.set()
            thread.join()

    def _sample(self) -> None:
        while not self._done.wait(_SAMPLE_EVERY_S):
            for name, pid in self._pids.items():
                self.bytes[name] = max(self.bytes[name], resident_bytes(pid))
