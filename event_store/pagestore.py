"""Pages of one run, read and written on the cursor of the transaction that holds the run.

Never decides what a page looks like or which value wins; that is `page` and `merge`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from event_store import pagecopy
from event_store.database import copy_in, copy_out
from event_store.page import PackedPage

# Pages that are unpacked at the same time: 256 dense ones are 30 MB of columns.
PAGES_AT_ONCE_MAX = 256
_UPDATES_PER_STATEMENT_MAX = 64
# A binary COPY collects 1,000 rows before PostgreSQL begins to compress and store them, so one
# statement for all pages would let it wait until the last one is packed.
_PAGES_PER_COPY_MAX = 16
_ahead = ThreadPoolExecutor(1, "eventindex-pages")

_INSERT_PAGES = f"COPY event_page ({pagecopy.COLUMNS}) FROM STDIN (FORMAT BINARY)"
_UPDATE_PAGE = (
    "UPDATE event_page SET generation = %s, n_events = %s, slots = %s::smallint[], "
    "fuids = %s::uuid[], dsids = %s::integer[], file_planes = %s, olt_planes = %s "
    "WHERE run_number = %s AND page_no = %s"
)


def read_pages(cursor: Cursor, run_number: int, page_nos: list[int]) -> dict[int, PackedPage]:
    """The stored pages among these, by page number."""
    if not page_nos:
        return {}
    sql = pagecopy.fetch_sql([pagecopy.WantedPages(run_number, page_nos, None)], with_olt=True)
    rows = pagecopy.decode_rows(copy_out(cursor, sql))
    return {row.page_no: row.page for row in rows if row.page is not None}


def insert_pages(
    cursor: Cursor, run_number: int, generation: int, pages: Iterator[tuple[int, PackedPage]]
) -> None:
    """Store pages that were not there: some are made while the server stores those before."""

    def take() -> list[tuple[int, PackedPage]]:
        return list(itertools.islice(pages, _PAGES_PER_COPY_MAX))

    taken = take()
    while taken:
        coming = _ahead.submit(take) if len(taken) == _PAGES_PER_COPY_MAX else None
        copy_in(cursor, _INSERT_PAGES, pagecopy.encode_rows(run_number, generation, taken))
        taken = coming.result() if coming is not None else []


def update_pages(
    cursor: Cursor, run_number: int, generation: int, pages: Sequence[tuple[int, PackedPage]]
) -> None:
    """Store the new content of pages that are there."""
    for first in range(0, len(pages), _UPDATES_PER_STATEMENT_MAX):
        statements = [
            cursor.mogrify(_UPDATE_PAGE, (generation, *_values(page), run_number, page_no))
            for page_no, page in pages[first : first + _UPDATES_PER_STATEMENT_MAX]
        ]
        cursor.execute(b";".join(statements))


def _values(page: PackedPage) -> tuple[object, ...]:
    return (
        page.n_events,
        None if page.slots is None else page.slots.tolist(),
        [fuid.hex() for fuid in page.fuids.tolist()],
        page.dsids.tolist(),
        page.file_planes,
        page.olt_planes,
    )
