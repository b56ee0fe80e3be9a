"""The metrics of several workers as those of one service.

Each worker writes its numbers into memory that the supervisor made for it, and the supervisor sums
them up when it is asked. A worker that is started again goes on counting where the one before it
stopped. It is what the multiprocess mode of prometheus_client does with files, which a cleaner of
/tmp, a full disk or a killed worker leaves missing, empty or torn.
"""

from __future__ import annotations

import json
import logging
import math
import operator
import threading
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Metric, values
from prometheus_client.utils import floatToGoString

from index_service.workers.shared_numbers import SharedNumbers

log = logging.getLogger(__name__)

# What stands for all workers, by the multiprocess_mode of a gauge; other kinds have none.
_TOGETHER: dict[str, Callable[[float, float], float]] = {
    "": operator.add,
    "livesum": operator.add,
    "livemin": min,
    "livemax": max,
}
_GAUGE = "gauge"
# The labels of a sample as pairs, and its value.
_Labels = tuple[tuple[str, str], ...]
_Samples = dict[tuple[str, _Labels], float]


class SummedMetrics:
    """The memory of each worker, and the registry that sums them up."""

    def __init__(self) -> None:
        self._of_workers: dict[int, SharedNumbers] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def memory(self, number: int) -> SharedNumbers:
        """Return the memory of a worker, to be handed to each process that is it.

        Raises:
            OSError: there is no room for it.
        """
        if number not in self._of_workers:
            self._of_workers = {**self._of_workers, number: SharedNumbers.make()}
        return self._of_workers[number]

    def forget_gauges(self, number: int) -> None:
        """Take what a worker that ended held out of the sums; what it counted stays."""
        memory = self._of_workers[number]
        for name, _, place in memory:
            if json.loads(name)[0] == _GAUGE:
                memory[place] = math.nan

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers together, as prometheus_client asks for them."""
        metrics: dict[str, tuple[Metric, _Samples]] = {}
        for memory in self._of_workers.values():
            for name, value, _ in memory:
                kind, mode, family, sample, labels, text = json.loads(name)
                if math.isnan(value):
                    continue
                made = metrics.setdefault(family, (Metric(family, text, kind), {}))[1]
                key = sample, tuple((label, of) for label, of in labels)
                made[key] = _TOGETHER[mode](made[key], value) if key in made else value
        for metric, samples in metrics.values():
            whole = _cumulated(metric.name, samples) if metric.type == "histogram" else samples
            for (sample, pairs), value in whole.items():
                metric.add_sample(sample, dict(pairs), value)
            yield metric


def _cumulated(family: str, samples: _Samples) -> _Samples:
    """Return the samples of histograms as they are exposed; buckets are counted one by one."""
    buckets: dict[_Labels, list[tuple[float, float]]] = {}
    found: _Samples = {}
    for (sample, labels), value in samples.items():
        bounds = [float(of) for label, of in labels if label == "le"]
        if bounds:
            without = tuple(pair for pair in labels if pair[0] != "le")
            buckets.setdefault(without, []).append((bounds[0], value))
        else:
            found[sample, labels] = value
    for labels, counted in buckets.items():
        total = 0.0
        for bound, value in sorted(counted):
            total += value
            found[f"{family}_bucket", (*labels, ("le", _bound(bound)))] = total
        found[f"{family}_count", labels] = total
    return found


def _bound(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def write_as_worker(memory: SharedNumbers) -> None:
    """Let the metrics of this process be written there; called before the first is made."""
    lock = threading.Lock()

    class SharedValue:
        """A number of prometheus_client, in this process and in the memory."""

        _multiprocess = True

        def __init__(
            self,
            typ: str,
            metric_name: str,
            name: str,
            *described: Any,
            multiprocess_mode: str = "",
            **_: object,
        ) -> None:
            if multiprocess_mode not in _TOGETHER:
                raise ValueError(f"{metric_name}: multiprocess_mode={multiprocess_mode!r}")
            names, given, help_text = described
            labels = list(zip(names, given, strict=True))
            key = json.dumps([typ, multiprocess_mode, metric_name, name, labels, help_text])
            with lock:
                self._place = memory.place(key)
                # A gauge is of this process; what was counted goes on.
                begun = self._place is not None and typ != _GAUGE
                self._write(memory[self._place] if begun else 0.0)  # type: ignore[index]
            if self._place is None:
                log.warning("%s%s is not among the metrics: no room", name, labels)

        def inc(self, amount: float) -> None:
            """Count."""
            with lock:
                self._write(self._value + amount)

        def set(self, value: float, timestamp: float | None = None) -> None:  # noqa: ARG002  # the signature of prometheus_client
            """Set."""
            with lock:
                self._write(float(value))

        def get(self) -> float:
            """Return the number in this process."""
            return self._value

        def set_exemplar(self, exemplar: Any) -> None:
            """Keep none: exemplars are not shown."""

        def get_exemplar(self) -> None:
            """Return None: no exemplar is kept."""

        def _write(self, value: float) -> None:
            self._value = value
            if self._place is not None:
                memory[self._place] = value

    values.ValueClass = SharedValue
