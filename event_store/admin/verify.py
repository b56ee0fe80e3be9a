"""A run's pages counted again and compared with what the catalogue says of it.

Reads one run in one snapshot, its pages in chunks; a page that cannot be read is a difference.
Never repairs anything.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection, copy_out, damage_contained
from event_store.model import RAW, fuid_text
from event_store.pages import copy as pagecopy
from event_store.pages.check import FileCount, FileKey, count_page
from event_store.pages.copy import FetchedPage
from event_store.pages.format import SLOT_BITS
from event_store.pages.store import PAGES_AT_ONCE_MAX

# Sentences for a run; what is beyond is counted.
DIFFERENCES_MAX = 1_000


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(slots=True)
class Verified:
    """A run that was counted again.

    Attributes:
        run_number: the run.
        events: the events that its pages hold.
        differences: what differs from the catalogue, in words; at most `DIFFERENCES_MAX`, and one
            more that says how many were left out.
    """

    run_number: int
    events: int = 0
    differences: list[str] = field(default_factory=list)


def next_run(connection: Connection, run_first: int, run_last: int) -> int | None:
    """Return the first run in a range that any table of the index names; None without one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least("
            "(SELECT min(run_number) FROM run WHERE run_number BETWEEN %s AND %s), "
            "(SELECT min(run_number) FROM event_page WHERE run_number BETWEEN %s AND %s), "
            "(SELECT min(run_number) FROM raw_file WHERE run_number BETWEEN %s AND %s))",
            (run_first, run_last) * 3,
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def collections_of_run(connection: Connection, run_number: int) -> list[tuple[int, str]]:
    """Return the numbers and names of the collections that any table names for a run, ascending."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT f.collection_id, coalesce(c.name, '') FROM ("
            "SELECT collection_id FROM run WHERE run_number = %s "
            "UNION SELECT collection_id FROM event_page WHERE run_number = %s "
            "UNION SELECT collection_id FROM raw_file WHERE run_number = %s) f "
            "LEFT JOIN collection c ON c.collection_id = f.collection_id ORDER BY 1",
            (run_number,) * 3,
        )
        return [(number, name) for number, name in cursor.fetchall()]


def verify_run(
    connection: Connection,
    run_number: int,
    stopped: Callable[[], bool],
    collection: int = RAW,
) -> Verified:
    """Count the events of a run again.

    Args:
        connection: in a transaction at a time.
        run_number: the run.
        collection: which of its collections.
        stopped: asked between chunks of pages whether the caller is gone.

    Raises:
        StoppedError: it is.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tally = _Tally()
        with damage_contained(cursor) as damage:
            for page in _pages(cursor, run_number, collection):
                if stopped():
                    raise StoppedError
                connection.step()
                tally.add(page)
        tally.problems += [f"its pages cannot be read further: {text}" for text in damage]
        with damage_contained(cursor) as damage:
            differences = [
                *_run_differences(_read_run(cursor, run_number, collection), tally),
                *_file_differences(_read_files(cursor, run_number, collection), tally.files),
                *_dataset_differences(cursor, tally.files, collection),
            ]
        if damage:
            differences = [f"its catalogue cannot be read: {text}" for text in damage]
        differences = tally.problems + differences
    if len(differences) > DIFFERENCES_MAX:
        more = len(differences) - DIFFERENCES_MAX
        differences[DIFFERENCES_MAX:] = [f"and {more} more differences"]
    return Verified(run_number, sum(file.events for file in tally.files.values()), differences)


class _Tally:
    """The pages of a run so far."""

    def __init__(self) -> None:
        self.files: dict[FileKey, FileCount] = {}
        self.problems: list[str] = []
        self.generation = 0
        self.pages: list[int] = []

    def add(self, fetched: FetchedPage) -> None:
        """Count a page."""
        self.generation = max(self.generation, fetched.generation)
        self.pages = [*self.pages[:1], fetched.page_no]
        if fetched.page is None:
            self.problems.append(f"page {fetched.page_no}: its row cannot be read")
            return
        count = count_page(fetched.page_no, fetched.page)
        self.problems += [f"page {fetched.page_no}: {problem}" for problem in count.problems]
        for key, file in count.files.items():
            self.files[key] = self.files[key].plus(file) if key in self.files else file


def _pages(cursor: Cursor, run_number: int, collection: int) -> Iterator[FetchedPage]:
    after = -(1 << 63)
    while True:
        cursor.execute(
            "SELECT page_no FROM event_page WHERE run_number = %s AND collection_id = %s "
            "AND page_no > %s ORDER BY page_no LIMIT %s",
            (run_number, collection, after, PAGES_AT_ONCE_MAX),
        )
        page_nos = [page_no for (page_no,) in cursor.fetchall()]
        if not page_nos:
            return
        yield from _decoded(cursor, run_number, collection, page_nos)
        after = page_nos[-1]


def _decoded(
    cursor: Cursor, run_number: int, collection: int, page_nos: list[int]
) -> Iterator[FetchedPage]:
    """Yield pages as they are stored, in order; one that cannot be read comes without content."""
    wanted = pagecopy.WantedPages([run_number] * len(page_nos), page_nos)
    sql = pagecopy.fetch_sql(wanted, with_olt=True, collection=collection)
    pages = None
    with damage_contained(cursor), contextlib.suppress(ValueError, IndexError, struct.error):
        pages = list(pagecopy.decode_rows(copy_out(cursor, sql)))
    if pages is not None:
        yield from sorted(pages, key=lambda page: page.page_no)
    elif len(page_nos) == 1:
        yield FetchedPage(run_number, page_nos[0], 0, None)
    else:
        for page_no in page_nos:
            yield from _decoded(cursor, run_number, collection, [page_no])


def _read_run(cursor: Cursor, run_number: int, collection: int) -> tuple[Any, ...] | None:
    cursor.execute(
        "SELECT n_events, first_event, last_event, generation, has_emptied_pages FROM run "
        "WHERE run_number = %s AND collection_id = %s",
        (run_number, collection),
    )
    row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _run_differences(row: tuple[Any, ...] | None, tally: _Tally) -> Iterator[str]:
    if row is None:
        yield "the run has no row in run"
        return
    n_events, first, last, generation, has_emptied_pages = row
    files = tally.files.values()
    counted = (
        sum(file.events for file in files),
        min((file.first for file in files), default=None),
        max((file.last for file in files), default=None),
    )
    for name, said, found in zip(
        ("n_events", "first_event", "last_event"), (n_events, first, last), counted, strict=True
    ):
        if said != found:
            yield f"run.{name} is {said}, the pages say {found}"
    if tally.generation > generation:
        yield f"run.generation is {generation}, a page has {tally.generation}"
    # The writer does not look for pages out there.
    if tally.pages and not has_emptied_pages:
        known = None if first is None or last is None else (first >> SLOT_BITS, last >> SLOT_BITS)
        if known is None or tally.pages[0] < known[0] or tally.pages[-1] > known[1]:
            yield "pages lie outside of the run's first and last event"


def _read_files(cursor: Cursor, run_number: int, collection: int) -> dict[FileKey, FileCount]:
    cursor.execute(
        "SELECT fuid_raw::text, dsid_raw, n_events, first_event, last_event FROM raw_file "
        "WHERE run_number = %s AND collection_id = %s",
        (run_number, collection),
    )
    return {
        (bytes.fromhex(fuid.replace("-", "")), dsid): FileCount(*counts)
        for fuid, dsid, *counts in cursor.fetchall()
    }


def _file_differences(
    said: dict[FileKey, FileCount], counted: dict[FileKey, FileCount]
) -> Iterator[str]:
    for key in sorted(said.keys() | counted.keys()):
        name = f"file {fuid_text(key[0])} dataset {key[1]}"
        if key not in said:
            yield f"{name}: no row in raw_file, the pages hold {counted[key].events} events"
        elif key not in counted:
            yield f"{name}: raw_file.n_events is {said[key].events}, the pages hold none"
        else:
            yield from _count_differences(name, said[key], counted[key])


def _count_differences(name: str, said: FileCount, counted: FileCount) -> Iterator[str]:
    columns = ("n_events", "first_event", "last_event")
    for column, value, found in zip(columns, said, counted, strict=True):
        if value != found:
            yield f"{name}: raw_file.{column} is {value}, the pages say {found}"


def _dataset_differences(
    cursor: Cursor, files: dict[FileKey, FileCount], collection: int
) -> Iterator[str]:
    dsids = sorted({dsid for _, dsid in files})
    cursor.execute(
        "SELECT dsid_raw, collection_id FROM dataset WHERE dsid_raw = ANY (%s)", (dsids,)
    )
    known = dict(cursor.fetchall())
    for dsid in dsids:
        if dsid not in known:
            yield f"dataset {dsid} has no row in dataset"
        elif known[dsid] != collection:
            yield f"dataset {dsid} belongs to another collection"
