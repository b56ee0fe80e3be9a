"""Pages one after the other, in the order of (run, page), in short statements.

No snapshot is held between two statements: whoever reads slowly holds nothing. Where a selection
names a RAW file or a dataset, the catalogue says which runs and event numbers to look at.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection, copy_out
from event_store.pages import copy as pagecopy
from event_store.pages.check import check_scanned
from event_store.pages.copy import ScannedPage, ScanRange
from event_store.pages.format import SLOT_BITS
from event_store.select import across
from event_store.select.selection import Selection

# Dense pages of 12 criteria: 2 MB.
PAGES_PER_STATEMENT_MAX = 128
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


class Scan:
    """The pages that may hold events of a selection, read piece by piece.

    Args:
        selection: what is looked for.
        after: resume behind this page.
        with_olt: whether `olt_result` is needed beyond the selection's own masks.
        pages_per_statement: pages that are read at once.
        with_files: whether RAW files are needed beyond the selection's own filter.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        after: Position | None = None,
        with_olt: bool = False,
        with_files: bool = False,
        pages_per_statement: int = PAGES_PER_STATEMENT_MAX,
    ) -> None:
        self._selection = selection
        self._pages_max = pages_per_statement
        self._with_olt = with_olt or selection.by_olt
        self._with_files = with_files or selection.by_file
        self._position = after or Position(-1, 0)
        self._spans: list[Span] | None = None
        self._spans_done = False

    def read(self, connection: Connection) -> list[ScannedPage]:
        """Return the next pages, in order; none at the end.

        Raises:
            CorruptPageError: one contradicts itself.
            StoreUnavailableError: the database did not answer; the scan may be read on.
        """
        while True:
            span = self._current_span(connection)
            if span is None:
                return []
            pages = self._read_span(connection, span)
            if len(pages) < self._pages_max and self._spans:
                self._spans.pop(0)
            if pages:
                self._position = Position(pages[-1].run_number, pages[-1].page_no)
                pages = self._restricted(connection, pages)
            if pages:
                return pages

    def _restricted(self, connection: Connection, pages: list[ScannedPage]) -> list[ScannedPage]:
        """Return what other collections leave of pages."""
        if not self._selection.across:
            return pages
        with connection.cursor() as cursor:
            by_shard = connection.distributed
            return across.restrict(cursor, pages, self._selection, by_shard=by_shard)

    def _read_span(self, connection: Connection, span: Span) -> list[ScannedPage]:
        start = max(self._position, Position(span.run_first, span.page_first - 1))
        sql = pagecopy.scan_sql(
            ScanRange(
                self._selection.collection,
                start.run,
                start.page,
                span.run_last,
                span.page_first,
                span.page_last,
                self._pages_max,
            ),
            with_files=self._with_files,
            with_olt=self._with_olt,
        )
        with connection.cursor() as cursor:
            data = copy_out(cursor, sql)
        pages = list(pagecopy.decode_scanned(data))
        for scanned in pages:
            check_scanned(scanned.page, with_files=self._with_files)
        return pages

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
