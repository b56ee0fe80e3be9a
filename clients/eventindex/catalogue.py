"""Runs, files, conflicts and telescope events, as methods of the client."""

from __future__ import annotations

import datetime
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypedDict, Unpack

from google.protobuf.timestamp_pb2 import Timestamp

from eventindex.catalogue_results import (
    Collection,
    CollectionOverlap,
    Conflict,
    CosmicCountBy,
    CosmicCounts,
    CosmicEvent,
    to_collection,
    to_conflict,
    to_cosmic_counts,
    to_cosmic_event,
    to_overlap,
)
from eventindex.collection_names import RAW, chosen_name, distinct_names, wire_name
from eventindex.connection import PAGE_ROWS
from eventindex.file_queries import FileQueries
from eventindex.limits import PAIRS_PER_MESSAGE_MAX
from eventindex.pairs import NUMBER_MAX
from eventindex.run_results import (
    IndexStatus,
    Run,
    RunGaps,
    to_index_status,
    to_run,
    to_run_gaps,
)
from eventindex.selection import Range, bounds, checked_fuid, checked_number, run_bounds
from eventindex.v1 import lookup_pb2

# Of one request; as many as a page has.
_RUNS_ASKED_MAX = 10_000
_WIRE_COUNT_BY = {
    CosmicCountBy.RUN: lookup_pb2.COSMIC_COUNT_BY_RUN,
    CosmicCountBy.BLOCK: lookup_pb2.COSMIC_COUNT_BY_BLOCK,
    CosmicCountBy.HOUR: lookup_pb2.COSMIC_COUNT_BY_HOUR,
    CosmicCountBy.DETECTOR: lookup_pb2.COSMIC_COUNT_BY_DETECTOR,
}


class CosmicArguments(TypedDict, total=False):
    """Which telescope events; what is left out does not restrict.

    run: one run. runs, events: (first, last), inclusive, either may be None. times: (first, last)
    with a time zone, inclusive. detector_id: one telescope.
    """

    run: int | None
    runs: Range | None
    events: Range | None
    times: tuple[datetime.datetime | None, datetime.datetime | None] | None
    detector_id: str | None


class CatalogueQueries(FileQueries):
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

    def collections(self, *, timeout: float | None = None) -> list[Collection]:
        """Return the collections of the index, "raw" first, then by name."""
        return self._collections(lookup_pb2.ListCollectionsRequest(), timeout)

    def collections_of(
        self, runs: Iterable[int], *, timeout: float | None = None
    ) -> list[Collection]:
        """Return the collections that hold events of any of some runs.

        Args:
            runs: run numbers; more than 100,000 are asked for in parts.
            timeout: seconds to wait for each of them.
        """
        numbers = sorted({checked_number(run, "run", NUMBER_MAX) for run in runs})
        found: dict[str, Collection] = {}
        for start in range(0, len(numbers), PAIRS_PER_MESSAGE_MAX):
            part = numbers[start : start + PAIRS_PER_MESSAGE_MAX]
            request = lookup_pb2.ListCollectionsRequest(run_numbers=part)
            found |= {one.name: one for one in self._collections(request, timeout)}
        return sorted(found.values(), key=lambda one: (one.name != RAW, one.name))

    def overlap(
        self,
        collections: Sequence[str],
        *,
        run_first: int | None = None,
        run_last: int | None = None,
        by_run: bool = False,
        timeout: float | None = None,
    ) -> CollectionOverlap:
        """Count the events that each two of some collections have in common.

        Args:
            collections: 1 to 32 names.
            run_first, run_last: bounds, inclusive.
            by_run: count by run, too.
            timeout: seconds to wait.

        Raises:
            ValueError: no name, or the same twice.
            InvalidRequestError: an unknown collection.
        """
        first, last = bounds((run_first, run_last), "runs")
        request = lookup_pb2.OverlapCollectionsRequest(
            collections=distinct_names(collections), run_first=first, run_last=last, by_run=by_run
        )
        return to_overlap(self._unary(self._index.OverlapCollections, request, timeout))

    def _collections(
        self, request: lookup_pb2.ListCollectionsRequest, timeout: float | None
    ) -> list[Collection]:
        answer = self._unary(self._index.ListCollections, request, timeout)
        return [to_collection(message) for message in answer.collections]

    def cosmic_events(
        self,
        *,
        events_max: int = 0,
        timeout: float | None = None,
        **selection: Unpack[CosmicArguments],
    ) -> Generator[CosmicEvent, None, None]:
        """Yield full telescope records. A stream that breaks in between ends in an error.

        Args:
            events_max: stop after so many events; 0 is no limit.
            timeout: longest wait for the next events, seconds.
            **selection: which events, see `CosmicArguments`.

        Raises:
            ValueError: an argument that makes no sense, at once.
            NotFoundError: the run is not in the index.
            UnavailableError: the server went away.
        """
        request = _cosmic_request(selection)
        request.events_max = checked_number(events_max, "events_max", NUMBER_MAX)
        messages = self._download(
            lambda: self._index.GetCosmicEvents(request), timeout, resumes=False
        )
        return (to_cosmic_event(event) for message in messages for event in message.events)

    def count_cosmic_events(
        self,
        *,
        by: CosmicCountBy | str | None = None,
        timeout: float | None = None,
        **selection: Unpack[CosmicArguments],
    ) -> CosmicCounts:
        """Count telescope events: in all, and by run, block, hour (UTC) or detector."""
        request = lookup_pb2.CountCosmicEventsRequest(
            selection=_cosmic_request(selection),
            by=None if by is None else _WIRE_COUNT_BY[CosmicCountBy(by)],
        )
        return to_cosmic_counts(self._unary(self._index.CountCosmicEvents, request, timeout))

    def read_raw_file(
        self, fuid_raw: str, *, timeout: float | None = None
    ) -> Generator[str, None, None]:
        """Yield the lines of a telescope's RAW file, JSON, in ascending event number.

        Raises:
            NotFoundError: the index has no telescope record of this file.
            UnavailableError: the server went away in between; the lines so far are not all.
        """
        request = lookup_pb2.ReadRawFileRequest(fuid_raw=checked_fuid(fuid_raw))
        messages = self._download(lambda: self._index.ReadRawFile(request), timeout, resumes=False)
        return (line for message in messages for line in message.lines)


def _cosmic_request(arguments: CosmicArguments) -> lookup_pb2.GetCosmicEventsRequest:
    first, last = run_bounds(arguments.get("run"), arguments.get("runs"))
    event_first, event_last = bounds(arguments.get("events"), "events")
    time_first, time_last = arguments.get("times") or (None, None)
    if time_first is not None and time_last is not None and time_first > time_last:
        raise ValueError(f"times: {time_first} to {time_last} is reversed")
    return lookup_pb2.GetCosmicEventsRequest(
        run_first=first,
        run_last=last,
        event_first=event_first,
        event_last=event_last,
        time_first=_timestamp(time_first),
        time_last=_timestamp(time_last),
        detector_id=arguments.get("detector_id"),
    )


def _timestamp(time: datetime.datetime | None) -> Timestamp | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"time {time} has no time zone")
    found = Timestamp()
    found.FromDatetime(time)
    return found
