"""Where the pages of a selection are: the next range to read, and how far a reader has come.

Where a selection names a RAW file or a dataset, the catalogue says which runs and event numbers to
look at.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.pages.copy import ScanRange
from event_store.pages.format import SLOT_BITS
from event_store.select.selection import Selection

_SPANS_PER_STATEMENT_MAX = 1000


class Position(NamedTuple):
    """How far a scan has come: everything up to this page is done."""

    run: int
    page: int


class Span(NamedTuple):
    """Runs `run_first` to `run_last`, pages `page_first` to `page_last` of each."""

    run_first: int
    run_last: int
    page_first: int
    page_last: int


class Walk:
    """The ranges of pages that may hold events of a selection, one statement's after the other.

    Args:
        selection: what is looked for.
        after: begin behind this page.
        pages_max: pages that are read at once.
    """

    def __init__(self, selection: Selection, after: Position | None, pages_max: int) -> None:
        self._selection = selection
        self._pages_max = pages_max
        self._position = after or Position(-1, 0)
        self._spans: list[Span] | None = None
        self._spans_done = False

    def next(self, connection: Connection) -> ScanRange | None:
        """Return the range to read now; None at the end. The same until `came` was called.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        span = self._current_span(connection)
        if span is None:
            return None
        start = max(self._position, Position(span.run_first, span.page_first - 1))
        return ScanRange(
            self._selection.collection,
            start.run,
            start.page,
            span.run_last,
            span.page_first,
            span.page_last,
            self._pages_max,
        )

    def came(self, pages: int, last: tuple[int, int] | None) -> None:
        """Take how many pages were in the range, and the run and number of the last one."""
        if pages < self._pages_max and self._spans:
            self._spans.pop(0)
        if last is not None:
            self._position = Position(*last)

    def _current_span(self, connection: Connection) -> Span | None:
        if self._spans:
            return self._spans[0]
        if self._spans_done:
            return None
        # A statement that names one run goes to its shard, all others to every one.
        by_run = connection.is_distributed()
        if not (self._selection.by_file or self._selection.run_ranges or by_run):
            self._spans, self._spans_done = [_whole(self._selection)], True
        else:
            spans_of = _file_spans if self._selection.by_file else _run_spans
            after = self._spans_from()
            with connection.cursor() as cursor:
                runs, self._spans = spans_of(cursor, self._selection, after, by_run=by_run)
            self._spans_done = runs < _SPANS_PER_STATEMENT_MAX
            self._last_run = self._spans[-1].run_last if self._spans else after
        return self._spans[0] if self._spans else None

    def _spans_from(self) -> int:
        """Return the run to take spans from; at the first time the one that the scan resumes in."""
        if self._spans is None:
            return max(self._position.run, self._selection.run_first)
        return self._last_run + 1


def _whole(selection: Selection) -> Span:
    return Span(
        selection.run_first,
        selection.run_last,
        selection.event_first >> SLOT_BITS,
        selection.event_last >> SLOT_BITS,
    )


def _run_spans(
    cursor: Cursor, selection: Selection, after: int, *, by_run: bool
) -> tuple[int, list[Span]]:
    """Return how many runs the ranges hold, and a span for the runs of each, or for each run."""
    cursor.execute(
        "SELECT run_number FROM run WHERE run_number BETWEEN %s AND %s AND n_events > 0 "
        "AND collection_id = %s "
        "AND (%s::int8multirange IS NULL OR run_number <@ %s::int8multirange) "
        "ORDER BY run_number LIMIT %s",
        (
            *(after, selection.run_last, selection.collection),
            *(2 * (selection.run_multirange,)),
            _SPANS_PER_STATEMENT_MAX,
        ),
    )
    runs = [run for (run,) in cursor.fetchall()]
    firsts = [first for first, _ in selection.run_ranges]
    pages = (selection.event_first >> SLOT_BITS, selection.event_last >> SLOT_BITS)
    if by_run:
        return len(runs), [Span(run, run, *pages) for run in runs]
    spans = []
    for _, group in groupby(runs, key=lambda run: bisect_right(firsts, run)):
        of_range = list(group)
        spans.append(Span(of_range[0], of_range[-1], *pages))
    return len(runs), spans


def _file_spans(
    cursor: Cursor,
    selection: Selection,
    after: int,
    *,
    by_run: bool,  # noqa: ARG001  # they are anyway
) -> tuple[int, list[Span]]:
    """Return how many runs have the file or dataset, and where in them the catalogue has it."""
    cursor.execute(
        "SELECT run_number, min(first_event), max(last_event) FROM raw_file "
        "WHERE run_number BETWEEN %s AND %s AND n_events > 0 AND collection_id = %s "
        "AND (%s::int8multirange IS NULL OR run_number <@ %s::int8multirange) "
        "AND (%s::uuid IS NULL OR fuid_raw = %s::uuid) "
        "AND (%s::integer IS NULL OR dsid_raw = %s) "
        "GROUP BY run_number ORDER BY run_number LIMIT %s",
        (
            after,
            selection.run_last,
            selection.collection,
            *(2 * (selection.run_multirange,)),
            *(2 * (selection.fuid.hex() if selection.fuid else None,)),
            *(2 * (selection.dsid,)),
            _SPANS_PER_STATEMENT_MAX,
        ),
    )
    spans = []
    for run, first, last in cursor.fetchall():
        page_first = max(first, selection.event_first) >> SLOT_BITS
        page_last = min(last, selection.event_last) >> SLOT_BITS
        spans.append(Span(run, run, page_first, page_last))
    return len(spans), spans
