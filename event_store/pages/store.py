"""Pages, read and written on the cursor of the transaction that holds their runs.

Never decides what a page looks like or which value wins; that is `format` and `merge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import copy_in, copy_out
from event_store.database.statements import STATEMENT_BYTES_MAX, execute_rows, pieces
from event_store.pages import copy as pagecopy
from event_store.pages.copy import StoredPage
from event_store.pages.format import PackedPage

# Pages that are unpacked at the same time: 256 dense ones are 30 MB of columns.
PAGES_AT_ONCE_MAX = 256
_UPDATES_PER_STATEMENT_MAX = 64
# A binary COPY collects 1,000 rows before PostgreSQL begins to compress and store them, so one
# statement for all pages would let it wait until the last one is packed. Small pages are packed
# sooner than a statement is sent.
_PAGES_PER_COPY_MIN = 16
_COPY_BYTES_MIN = 32 * 1024
_COPY_BYTES_MAX = STATEMENT_BYTES_MAX // 2

_INSERT_PAGES = f"COPY event_page ({pagecopy.COLUMNS}) FROM STDIN (FORMAT BINARY)"
_INSERT_ROWS = f"INSERT INTO event_page ({pagecopy.COLUMNS}) VALUES %s"
_PAGE_ROW = "(%s, %s, %s, %s, %s, %s::smallint[], %s::uuid[], %s::integer[], %s, %s)"
_UPDATE_PAGE = (
    "UPDATE event_page SET generation = %s, n_events = %s, slots = %s::smallint[], "
    "fuids = %s::uuid[], dsids = %s::integer[], file_planes = %s, olt_planes = %s "
    "WHERE run_number = %s AND collection_id = %s AND page_no = %s"
)


def read_pages(
    cursor: Cursor, run_number: int, page_nos: list[int], collection: int
) -> dict[int, PackedPage]:
    """Return the stored pages among these, by page number."""
    found = read_pages_of_runs(cursor, [(run_number, page_nos)], collection)
    return found.get(run_number, {})


def read_pages_of_runs(
    cursor: Cursor, page_nos: Sequence[tuple[int, list[int]]], collection: int
) -> dict[int, dict[int, PackedPage]]:
    """Return the stored pages among these, by run number and page number."""
    keys = [(run, number) for run, numbers in page_nos for number in numbers]
    found: dict[int, dict[int, PackedPage]] = {}
    if not keys:
        return found
    wanted = pagecopy.WantedPages(*zip(*keys, strict=True))
    sql = pagecopy.fetch_sql(wanted, with_olt=True, collection=collection)
    for row in pagecopy.decode_rows(copy_out(cursor, sql)):
        if row.page is not None:
            found.setdefault(row.run_number, {})[row.page_no] = row.page
    return found


def insert_pages_of_shard(cursor: Cursor, pages: Iterator[StoredPage]) -> None:
    """Store pages of one run that were not there, on a cluster.

    A COPY is committed in two phases there, even of one shard: between them an acknowledged event
    would not be found. Statements of one shard are not.
    """
    rows = (
        (run_number, collection, page_no, generation, *_values(page))
        for run_number, page_no, generation, page, collection in pages
    )
    execute_rows(cursor, _INSERT_ROWS, rows, template=_PAGE_ROW)


def insert_pages(cursor: Cursor, pages: Iterator[StoredPage]) -> None:
    """Store pages that were not there: some are made while the server stores those before."""

    def take() -> tuple[list[StoredPage], bool]:
        """Return the pages of the next statement, and whether there may be more."""
        taken: list[StoredPage] = []
        taken_bytes = 0
        for page in pages:
            taken.append(page)
            taken_bytes += page.size_bytes
            enough = len(taken) >= _PAGES_PER_COPY_MIN and taken_bytes >= _COPY_BYTES_MIN
            if enough or taken_bytes >= _COPY_BYTES_MAX:
                return taken, True
        return taken, False

    # The thread begins with the first page that is taken ahead.
    with ThreadPoolExecutor(1, "eventindex-pages") as ahead:
        taken, more = take()
        while taken:
            coming = ahead.submit(take) if more else None
            copy_in(cursor, _INSERT_PAGES, pagecopy.encode_rows(taken))
            taken, more = coming.result() if coming is not None else ([], False)


def update_pages(cursor: Cursor, pages: Iterable[StoredPage]) -> None:
    """Store the new content of pages that are there."""
    statements = (
        cursor.mogrify(_UPDATE_PAGE, (generation, *_values(page), run_number, collection, page_no))
        for run_number, page_no, generation, page, collection in pages
    )
    for piece in pieces(statements, len):
        for first in range(0, len(piece), _UPDATES_PER_STATEMENT_MAX):
            cursor.execute(b";".join(piece[first : first + _UPDATES_PER_STATEMENT_MAX]))


def _values(page: PackedPage) -> tuple[object, ...]:
    return (
        page.n_events,
        None if page.slots is None else page.slots.tolist(),
        [fuid.hex() for fuid in page.fuids.tolist()],
        page.dsids.tolist(),
        page.file_planes,
        page.olt_planes,
    )
