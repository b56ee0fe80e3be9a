"""Pages of several collections side by side, in the order of (run, page), in short statements."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from event_store.database.connection import Connection
from event_store.pages.copy import ScannedPage
from event_store.pages.format import PackedPage
from event_store.select.across import PageKey
from event_store.select.scan import Scan
from event_store.select.selection import Selection


class Beside:
    """The same pages of n collections, read piece by piece.

    Args:
        collections: the numbers of n collections.
        run_first, run_last: which runs, inclusive.
        pages_per_statement: pages that are read of each at once.
        with_files: whether RAW files are needed; without them which slots are used, alone.
    """

    def __init__(
        self,
        collections: Sequence[int],
        run_first: int,
        run_last: int,
        *,
        pages_per_statement: int,
        with_files: bool = False,
    ) -> None:
        self._sides = [
            _Side(
                Scan(
                    Selection(run_first, run_last, collection=number),
                    with_files=with_files,
                    pages_per_statement=pages_per_statement,
                )
            )
            for number in collections
        ]

    def read(self, connection: Connection) -> list[dict[PageKey, PackedPage]]:
        """Return the next pages of each collection; no page of any at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        for side in self._sides:
            side.fill(connection)
        ends = [side.end for side in self._sides if side.end is not None]
        # What lies behind the shortest reach may still be missing of others.
        reach = min(ends) if ends else None
        return [side.take(reach) for side in self._sides]


class _Side:
    """The pages of one collection that were read and not yet taken."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._pages: deque[ScannedPage] = deque()
        self._done = False

    @property
    def end(self) -> PageKey | None:
        """Return the last page that is here; None when there are no more behind them."""
        if self._done:
            return None
        last = self._pages[-1]
        return last.run_number, last.page_no

    def fill(self, connection: Connection) -> None:
        """Read the next pages where none is left."""
        if not self._pages and not self._done:
            found = self._scan.read(connection)
            self._pages.extend(found)
            self._done = not found

    def take(self, reach: PageKey | None) -> dict[PageKey, PackedPage]:
        """Return the pages up to `reach` (None: all)."""
        taken = {}
        while self._pages:
            run, page_no, page = self._pages[0]
            if reach is not None and (run, page_no) > reach:
                break
            self._pages.popleft()
            taken[run, page_no] = page
        return taken
