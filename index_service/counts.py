"""CountEvents: numbers of events by run, dataset, file, criterion and pair of criteria.

What the catalogue holds exactly comes from there; everything else is counted on the bit planes,
page by page, by popcount.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.model import Int64, fuid_text
from event_store.pages.copy import ScannedPage
from event_store.select import criteria
from event_store.select.scan import Scan
from event_store.select.selection import (
    Selection,
    count,
    count_all_bits,
    count_bit_pairs,
    count_bits,
    count_files,
    select,
)
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service.events import resolve, scanned
from index_service.events_plan import plan_selection
from service_kit.errors import InvalidRequestError

COUNTS_MAX = 100_000

_BY_FILE = (lookup_pb2.COUNT_BY_DATASET, lookup_pb2.COUNT_BY_FILE)
_BY_BIT = (lookup_pb2.COUNT_BY_OLT_BIT, lookup_pb2.COUNT_BY_OLT_BIT_PAIR)
# Columns of raw_file that make up the key of a count, in the order of `EventCount`'s fields.
_CATALOGUE_KEYS = {
    lookup_pb2.COUNT_BY_UNSPECIFIED: "",
    lookup_pb2.COUNT_BY_RUN: "run_number",
    lookup_pb2.COUNT_BY_DATASET: "dsid_raw",
    lookup_pb2.COUNT_BY_FILE: "dsid_raw, fuid_raw",
}

Key = tuple[Any, ...]


class EventCounts:
    """The methods of IndexService that count events."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def CountEvents(
        self, request: lookup_pb2.CountEventsRequest
    ) -> lookup_pb2.CountEventsResponse:
        """Return numbers of events of a selection."""
        planned = plan_selection(request.selection)
        if request.by not in lookup_pb2.CountBy.values():
            raise InvalidRequestError(
                told("NOT_A_COUNT_BY", "by={by} is not a CountBy", by=request.by)
            )
        selection = await self._threads.run(
            lambda connection: resolve(connection, planned, request.selection)
        )
        of_catalogue = not (selection.by_event or selection.by_olt or selection.across)
        if request.by in _CATALOGUE_KEYS and of_catalogue:
            return await self._threads.run(
                lambda connection: _from_catalogue(connection, selection, request.by)
            )
        return await self._from_pages(selection, request.by)

    async def _from_pages(
        self, selection: Selection, by: lookup_pb2.CountBy
    ) -> lookup_pb2.CountEventsResponse:
        names = await self._threads.run(_read_criteria)
        tally = _TALLIES[by](selection, names)
        pages = Scan(selection, with_olt=by in _BY_BIT, with_files=by in _BY_FILE)

        async with aclosing(scanned(self._threads, pages)) as pieces:
            async for found in pieces:
                await asyncio.to_thread(tally.add, found)
                _check_size(tally.size())
        return lookup_pb2.CountEventsResponse(total=tally.total, counts=tally.counts())


class _Tally:
    """The total of the pages so far."""

    def __init__(self, selection: Selection, names: criteria.Criteria) -> None:
        self.total = 0
        self._selection = selection
        self._names = names

    def add(self, pages: Sequence[ScannedPage]) -> None:
        """Count the selected events of some pages."""
        for page in pages:
            mask = select(page.page, page.page_no, self._selection)
            events = count(mask)
            self.total += events
            if events:
                self._add(page, mask, events)

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        """Return the counts, in ascending order of what they are by."""
        return ()

    def size(self) -> int:
        """Return how many counts there are so far."""
        return 0

    def _add(self, page: ScannedPage, mask: Any, events: int) -> None:
        pass


class _RunTally(_Tally):
    def __init__(self, selection: Selection, names: criteria.Criteria) -> None:
        super().__init__(selection, names)
        self._runs: Counter[int] = Counter()

    def _add(self, page: ScannedPage, mask: Any, events: int) -> None:  # noqa: ARG002  # one signature for all ways to count
        self._runs[page.run_number] += events

    def size(self) -> int:
        return len(self._runs)

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        for run, events in sorted(self._runs.items()):
            yield lookup_pb2.EventCount(events=events, run_number=run)


class _FileTally(_Tally):
    def __init__(self, selection: Selection, names: criteria.Criteria) -> None:
        super().__init__(selection, names)
        self._files: Counter[tuple[int, bytes]] = Counter()

    def _add(self, page: ScannedPage, mask: Any, events: int) -> None:  # noqa: ARG002  # one signature for all ways to count
        packed = page.page
        found = count_files(packed, mask)
        for index in np.flatnonzero(found).tolist():
            key = (int(packed.dsids[index]), packed.fuids[index].tobytes())
            self._files[key] += int(found[index])

    def size(self) -> int:
        return len(self._files)

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        for (dsid, fuid), events in sorted(self._files.items()):
            yield lookup_pb2.EventCount(events=events, dsid_raw=dsid, fuid_raw=fuid_text(fuid))


class _DatasetTally(_FileTally):
    def size(self) -> int:
        return 0

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        datasets: Counter[int] = Counter()
        for (dsid, _), events in self._files.items():
            datasets[dsid] += events
        for dsid, events in sorted(datasets.items()):
            yield lookup_pb2.EventCount(events=events, dsid_raw=dsid)


class _BitTally(_Tally):
    """Counts by bit, apart for each epoch of names."""

    shape: tuple[int, ...] = (64,)

    def __init__(self, selection: Selection, names: criteria.Criteria) -> None:
        super().__init__(selection, names)
        self._epochs: dict[int, Int64] = {}

    def add(self, pages: Sequence[ScannedPage]) -> None:
        if not self._selection.whole_pages or self.shape != (64,):
            super().add(pages)
            return
        self.total += sum(page.page.n_events for page in pages)
        for _, same in itertools.groupby(pages, lambda page: self._names.epoch(page.run_number)):
            run = list(same)
            self._of_run(run[0].run_number)[:] += count_all_bits([page.page for page in run])

    def _add(self, page: ScannedPage, mask: Any, events: int) -> None:  # noqa: ARG002  # one signature for all ways to count
        self._of_run(page.run_number)[:] += self._count(page, mask)

    def _of_run(self, run_number: int) -> Int64:
        """Return the counts of the run's epoch."""
        epoch = self._names.epoch(run_number)
        if epoch not in self._epochs:
            self._epochs[epoch] = np.zeros(self.shape, np.int64)
        return self._epochs[epoch]

    def _count(self, page: ScannedPage, mask: Any) -> Int64:
        return count_bits(page.page, mask)

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        found: Counter[tuple[int, str]] = Counter()
        for epoch, counts in self._epochs.items():
            names = self._names.names(epoch)
            for bit in sorted({*np.flatnonzero(counts).tolist(), *names}):
                found[bit, names.get(bit, "")] += int(counts[bit])
        for (bit, name), events in sorted(found.items()):
            yield lookup_pb2.EventCount(events=events, olt_bit=bit, olt_name=name)


class _PairTally(_BitTally):
    shape = (64, 64)

    def _count(self, page: ScannedPage, mask: Any) -> Int64:
        return count_bit_pairs(page.page, mask)

    def counts(self) -> Iterable[lookup_pb2.EventCount]:
        found: Counter[tuple[int, str, int, str]] = Counter()
        for epoch, counts in self._epochs.items():
            names = self._names.names(epoch)
            used = sorted({*np.flatnonzero(counts.diagonal()).tolist(), *names})
            for bit, other in _pairs(used):
                key = (bit, names.get(bit, ""), other, names.get(other, ""))
                found[key] += int(counts[bit, other])
        for (bit, name, other, other_name), events in sorted(found.items()):
            yield lookup_pb2.EventCount(
                events=events,
                olt_bit=bit,
                olt_name=name,
                other_olt_bit=other,
                other_olt_name=other_name,
            )


_TALLIES: dict[int, Callable[[Selection, criteria.Criteria], _Tally]] = {
    lookup_pb2.COUNT_BY_UNSPECIFIED: _Tally,
    lookup_pb2.COUNT_BY_RUN: _RunTally,
    lookup_pb2.COUNT_BY_DATASET: _DatasetTally,
    lookup_pb2.COUNT_BY_FILE: _FileTally,
    lookup_pb2.COUNT_BY_OLT_BIT: _BitTally,
    lookup_pb2.COUNT_BY_OLT_BIT_PAIR: _PairTally,
}


def _pairs(bits: list[int]) -> Iterator[tuple[int, int]]:
    """Yield each bit with itself and with every higher one."""
    for place, bit in enumerate(bits):
        for other in bits[place:]:
            yield bit, other


def _read_criteria(connection: Connection) -> criteria.Criteria:
    with connection.cursor() as cursor:
        return criteria.read(cursor)


def _from_catalogue(
    connection: Connection, selection: Selection, by: lookup_pb2.CountBy
) -> lookup_pb2.CountEventsResponse:
    """Return counts that the writer keeps for each run and file."""
    keys = _CATALOGUE_KEYS[by]
    select_keys, group = (f"{keys}, ", f"GROUP BY {keys} ORDER BY {keys}") if keys else ("", "")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {select_keys}sum(n_events)::bigint FROM raw_file "
            "WHERE run_number BETWEEN %s AND %s AND n_events > 0 AND collection_id = %s "
            "AND (%s::int8multirange IS NULL OR run_number <@ %s::int8multirange) "
            "AND (%s::uuid IS NULL OR fuid_raw = %s::uuid) "
            f"AND (%s::integer IS NULL OR dsid_raw = %s) {group} LIMIT %s",
            (
                selection.run_first,
                selection.run_last,
                selection.collection,
                *(2 * (selection.run_multirange,)),
                *(2 * (selection.fuid.hex() if selection.fuid else None,)),
                *(2 * (selection.dsid,)),
                COUNTS_MAX + 1,
            ),
        )
        rows = cursor.fetchall()
    _check_size(len(rows))
    counts = [] if not keys else [_catalogue_count(keys.split(", "), row) for row in rows]
    return lookup_pb2.CountEventsResponse(total=sum(row[-1] or 0 for row in rows), counts=counts)


def _catalogue_count(keys: list[str], row: Key) -> lookup_pb2.EventCount:
    return lookup_pb2.EventCount(events=row[-1], **dict(zip(keys, row[:-1], strict=True)))


def _check_size(counts: int) -> None:
    if counts > COUNTS_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_COUNTS",
                "the answer has more than {limit} counts: narrow the selection, for "
                "example by run_first and run_last",
                limit=f"{COUNTS_MAX:,}",
            )
        )
