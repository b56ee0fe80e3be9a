"""The metrics of several workers as those of one service.

Each worker writes its numbers into files that the supervisor reads: the multiprocess mode of
prometheus_client. The files carry the worker's number, not its process id: a worker that is started
again goes on counting where the one before it stopped.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead


class SummedMetrics:
    """A private directory of such files, and the registry that sums them up."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="eventindex-metrics-"))
        self.registry = CollectorRegistry()
        MultiProcessCollector(self.registry, str(self.directory))  # type: ignore[no-untyped-call]

    def forget_gauges(self, number: int) -> None:
        """Take what a worker that ended held out of the sums; what it counted stays."""
        mark_process_dead(number, str(self.directory))  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        remove(self.directory)


def remove(directory: Path) -> None:
    """Remove the files; nothing happens when they are gone."""
    shutil.rmtree(directory, ignore_errors=True)


def write_as_worker(number: int, directory: Path) -> None:
    """Let the metrics of this process be written there; called before the first is made."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
