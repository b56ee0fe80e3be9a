"""What Prometheus sees of the whole index: asked of the database once a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from event_store.admin.totals import Totals, totals
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError

log = logging.getLogger(__name__)

_INTERVAL_S = 60.0
# Until the database has answered for the first time.
_FIRST_INTERVAL_S = 2.0


class StoredMetrics:
    """The numbers that the database gave last; none before the first."""

    def __init__(self, threads: DatabaseThreads, registry: CollectorRegistry = REGISTRY) -> None:
        self._threads = threads
        self._totals: Totals | None = None
        registry.register(self)

    async def run(self) -> None:
        """Ask until cancelled; a database that is away leaves the numbers as they were."""
        while True:
            try:
                self._totals = await self._threads.run(totals)
            except (StoreUnavailableError, StoreError) as error:
                log.debug("the database does not say what it holds: %s", error)
            await asyncio.sleep(_FIRST_INTERVAL_S if self._totals is None else _INTERVAL_S)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as prometheus_client asks for them."""
        events = _gauge("stored_events", "Events in the index, of all collections.")
        runs = _gauge("stored_runs", "Runs that have events.")
        files = _gauge("stored_files", "Files that have events, by run; an estimate of many.")
        wal = CounterMetricFamily(
            "eventindex_database_wal_bytes", "What the server has written to its log."
        )
        events_of = _gauge("collection_events", "Events of a collection.", "collection")
        runs_of = _gauge("collection_runs", "Runs that have events of it.", "collection")
        size = _gauge("database_table_bytes", "A table with its indexes and TOAST.", "table")
        dead = _gauge("database_dead_rows", "Rows that vacuum has not removed yet.", "table")
        found = self._totals
        if found is not None:
            events.add_metric([], found.events)
            runs.add_metric([], found.runs)
            files.add_metric([], found.files)
            wal.add_metric([], found.wal_bytes)
            for name, table in found.tables.items():
                size.add_metric([name], table.size_bytes)
                dead.add_metric([name], table.dead_rows)
            for name, holds in found.collections.items():
                events_of.add_metric([name], holds.events)
                runs_of.add_metric([name], holds.runs)
        yield from (events, runs, files, events_of, runs_of, wal, size, dead)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"eventindex_{name}", text, labels=labels)
