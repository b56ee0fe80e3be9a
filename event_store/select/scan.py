"""Pages one after the other, in the order of (run, page), in short statements.

No snapshot is held between two statements: whoever reads slowly holds nothing.
"""

from __future__ import annotations

from event_store.database.connection import Connection, copy_out
from event_store.pages import copy as pagecopy
from event_store.pages.check import check_scanned
from event_store.pages.copy import ScannedPage, ScanRange
from event_store.select import across
from event_store.select.selection import Selection
from event_store.select.walk import Position, Walk

# Dense pages of 12 criteria: 2 MB.
PAGES_PER_STATEMENT_MAX = 128


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
        self._with_olt = with_olt or selection.by_olt
        self._with_files = with_files or selection.by_file
        self._walk = Walk(selection, after, pages_per_statement)

    def read(self, connection: Connection) -> list[ScannedPage]:
        """Return the next pages, in order; none at the end.

        Raises:
            CorruptPageError: one contradicts itself.
            StoreUnavailableError: the database did not answer; the scan may be read on.
        """
        while (wanted := self._walk.next(connection)) is not None:
            pages = self._read(connection, wanted)
            self._walk.came(len(pages), pages[-1][:2] if pages else None)
            pages = self._restricted(connection, pages)
            if pages:
                return pages
        return []

    def _restricted(self, connection: Connection, pages: list[ScannedPage]) -> list[ScannedPage]:
        """Return what other collections leave of pages."""
        if not (pages and self._selection.across):
            return pages
        with connection.cursor() as cursor:
            by_shard = connection.distributed
            return across.restrict(cursor, pages, self._selection, by_shard=by_shard)

    def _read(self, connection: Connection, wanted: ScanRange) -> list[ScannedPage]:
        sql = pagecopy.scan_sql(wanted, with_files=self._with_files, with_olt=self._with_olt)
        with connection.cursor() as cursor:
            data = copy_out(cursor, sql)
        pages = list(pagecopy.decode_scanned(data))
        for scanned in pages:
            check_scanned(scanned.page, with_files=self._with_files)
        return pages
