"""CPU, memory and open files of the supervisor and its workers, as those of one service."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric, ProcessCollector

_CPU = "process_cpu_seconds_total"
# Of one process, the supervisor; all others add up.
_ITS_OWN = frozenset({"process_start_time_seconds", "process_max_fds"})


class ProcessesOfWorkers:
    """The `process_*` metrics over all processes."""

    def __init__(self, worker_pids: Callable[[], Iterable[int]]) -> None:
        """`worker_pids` returns those of the workers that run now."""
        self._worker_pids = worker_pids

    def describe(self) -> list[Metric]:
        """Return nothing: the names are those of prometheus_client."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as prometheus_client asks for them."""
        sums = {name: value for name, value in _sample("self").items() if name not in _ITS_OWN}
        # Of workers that ended, so that the counter does not go back.
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        if _CPU in sums:
            sums[_CPU] += ended.ru_utime + ended.ru_stime
        for pid in self._worker_pids():
            for name, value in _sample(pid).items():
                if name in sums:
                    sums[name] += value
        for family in ProcessCollector(registry=None).collect():
            for place, sample in enumerate(family.samples):
                family.samples[place] = sample._replace(value=sums.get(sample.name, sample.value))
            yield family


def _sample(pid: int | str) -> dict[str, float]:
    """Return the numbers of a process by their names; none of one that has ended."""
    families = ProcessCollector(pid=lambda: pid, registry=None).collect()
    return {sample.name: sample.value for family in families for sample in family.samples}
