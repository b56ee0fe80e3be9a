"""Runs, files and conflicts, as methods of the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eventindex.catalogue_results import (
    Conflict,
    to_conflict,
)
from eventindex.collection_names import RAW, chosen_name, wire_name
from eventindex.collection_queries import CollectionQueries
from eventindex.connection import PAGE_ROWS
from eventindex.cosmic_queries import CosmicQueries
from eventindex.file_queries import FileQueries
from eventindex.limits import NUMBER_MAX
from eventindex.run_results import (
    IndexStatus,
    Run,
    RunGaps,
    to_index_status,
    to_run,
    to_run_gaps,
)
from eventindex.selection import checked_number, run_bounds
from eventindex.v1 import lookup_pb2

# Of one request; as many as a page has.
_RUNS_ASKED_MAX = 10_000


class CatalogueQueries(CollectionQueries, CosmicQueries, FileQueries):
    """Lists what the index holds."""

    def runs(
        self,
        *,
        run: int | None = None,
        run_first: int | None = None,
        run_last: int | None = None,
        detector_id: str | None = None,
        order_by: str = "",
        collection: str = RAW,
        timeout: float | None = None,
    ) -> Iterator[Run]:
        """Yield the runs of the index; pages are fetched as they are needed.

        Args:
            run: one run.
            run_first, run_last: bounds, inclusive.
            detector_id: runs of one telescope only; without a collection those of its own and,
                begun before it had one, of "raw".
            order_by: "run_number" (default), "events", "first_seen" or "last_seen"; " desc" turns
                it round.
            collection: the collection that holds them.
            timeout: seconds for each page.
        """
        bounded = run_first is not None or run_last is not None
        first, last = run_bounds(run, (run_first, run_last) if bounded else None)
        request = lookup_pb2.ListRunsRequest(
            page_size=PAGE_ROWS,
            run_first=first,
            run_last=last,
            detector_id=detector_id,
            order_by=order_by,
            collection=wire_name(collection),
        )
        pages = self._pages(lambda q: self._unary(self._index.ListRuns, q, timeout), request)
        return (to_run(message) for page in pages for message in page.runs)

    def unknown_runs(
        self, runs: Iterable[int], *, collection: str = RAW, timeout: float | None = None
    ) -> list[int]:
        """Return those of some runs that a collection holds no event of, ascending.

        >>> result = index.lookup(pairs)  # doctest: +SKIP
        >>> index.unknown_runs(result.run_numbers[result.missing()])  # doctest: +SKIP

        Args:
            runs: run numbers; more than 10,000 are asked for in parts.
            collection: the collection that may hold them.
            timeout: seconds to wait for each of them.
        """
        numbers = sorted({checked_number(run, "run", NUMBER_MAX) for run in runs})
        known: set[int] = set()
        for start in range(0, len(numbers), _RUNS_ASKED_MAX):
            request = lookup_pb2.ListRunsRequest(
                page_size=_RUNS_ASKED_MAX,
                run_numbers=numbers[start : start + _RUNS_ASKED_MAX],
                collection=wire_name(collection),
            )
            for page in self._pages(
                lambda q: self._unary(self._index.ListRuns, q, timeout), request
            ):
                known.update(run.run_number for run in page.runs)
        return [number for number in numbers if number not in known]

    def run_gaps(
        self,
        run: int,
        *,
        gaps_max: int = 20,
        collection: str = RAW,
        detector: str | int | None = None,
        timeout: float | None = None,
    ) -> RunGaps:
        """Return which event numbers a run lacks between its first and its last event.

        Args:
            run: the run.
            gaps_max: name so many gaps, the widest first; at most 10,000.
            collection: the collection that is asked.
            detector: a telescope, in its place.
            timeout: seconds to wait; default as in `connect`.

        Raises:
            NotFoundError: the run is not in the index.
        """
        request = lookup_pb2.RunGapsRequest(
            run_number=checked_number(run, "run", NUMBER_MAX),
            gaps_max=checked_number(gaps_max, "gaps_max", 2**32 - 1),
            collection=wire_name(chosen_name(collection, detector)),
        )
        return to_run_gaps(self._unary(self._index.RunGaps, request, timeout))

    def conflicts(
        self,
        *,
        run: int | None = None,
        with_resolved: bool = False,
        collection: str = RAW,
        detector: str | int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Conflict]:
        """Yield the events that were offered again with other values.

        Args:
            run: conflicts of one run only.
            with_resolved: those too that somebody has decided on.
            collection: the collection that holds them.
            detector: a telescope, in its place.
            timeout: seconds for each page.

        Raises:
            NotFoundError: the run is not in the index.
        """
        request = lookup_pb2.ListConflictsRequest(
            page_size=PAGE_ROWS,
            run_number=None if run is None else checked_number(run, "run", NUMBER_MAX),
            with_resolved=with_resolved,
            collection=wire_name(chosen_name(collection, detector)),
        )
        pages = self._pages(lambda q: self._unary(self._index.ListConflicts, q, timeout), request)
        return (to_conflict(message) for page in pages for message in page.conflicts)

    def index_status(self, *, timeout: float | None = None) -> IndexStatus:
        """Return what the index holds in all, and the version of its service."""
        request = lookup_pb2.IndexStatusRequest()
        return to_index_status(self._unary(self._index.IndexStatus, request, timeout))
