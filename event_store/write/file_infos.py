"""What is known of files beside their events: noted once, another value later is refused.

Works on the cursor of a transaction of its own: rows are locked in the order of their ids, and no
row of a run is held meanwhile, so that writers cannot deadlock.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from psycopg2.extensions import cursor as Cursor

from event_store.database.statements import pieces, text_bytes
from event_store.model import FileInfo

# A piece is a transaction: the trigger of the table takes a lock that all who change it share.
_NUMBERS_BYTES = 80


def info_pieces(offers: Iterable[FileInfo]) -> Iterator[list[FileInfo]]:
    """Yield one offer for each file, by ascending id, cut into statements: the first values count.

    Pure.
    """
    first: dict[uuid.UUID, FileInfo] = {}
    for offer in offers:
        known = first.get(offer.fuid)
        if known is None:
            first[offer.fuid] = offer
        elif not contradicts(offer, known):
            first[offer.fuid] = filled(known, offer)
    yield from pieces(
        sorted(first.values()),
        lambda info: _NUMBERS_BYTES + text_bytes(info.name) + text_bytes(info.checksum),
    )


def filled(known: FileInfo, offer: FileInfo) -> FileInfo:
    """Return what is known of a file, with what the offer adds. Pure."""
    return FileInfo(
        known.fuid,
        known.name or offer.name,
        known.bytes or offer.bytes,
        known.checksum or offer.checksum,
    )


def contradicts(offer: FileInfo, noted: FileInfo) -> bool:
    """Return whether an offer gives another value than the one that is noted. Pure."""
    return filled(offer, noted) != filled(noted, offer)


def note(cursor: Cursor, infos: Sequence[FileInfo]) -> dict[uuid.UUID, FileInfo]:
    """Note what is not known yet of a piece of files; returns what is noted now.

    Args:
        cursor: of a transaction without other work.
        infos: one of `info_pieces`.
    """
    cursor.execute(
        "INSERT INTO file_info AS f (fuid, name, bytes, checksum) SELECT i.fuid, i.name, "
        "nullif(i.bytes, 0), i.checksum FROM unnest(%s::uuid[], %s::text[], %s::bigint[], "
        "%s::text[]) AS i (fuid, name, bytes, checksum) ORDER BY i.fuid "
        "ON CONFLICT (fuid) DO UPDATE SET name = coalesce(nullif(f.name, ''), excluded.name), "
        "bytes = coalesce(f.bytes, excluded.bytes), "
        "checksum = coalesce(nullif(f.checksum, ''), excluded.checksum) "
        "WHERE ((f.name = '' AND excluded.name <> '') OR (f.bytes IS NULL AND excluded.bytes > 0) "
        "OR (f.checksum = '' AND excluded.checksum <> '')) "
        # Of an offer that contradicts what is noted nothing is taken: it may mean another file.
        "AND (f.name = '' OR excluded.name IN ('', f.name)) "
        "AND coalesce(f.bytes = excluded.bytes, true) "
        "AND (f.checksum = '' OR excluded.checksum IN ('', f.checksum))",
        columns(infos),
    )
    return noted(cursor, [info.fuid for info in infos])


def replace(cursor: Cursor, infos: Sequence[FileInfo], replaced_by: str) -> set[uuid.UUID]:
    """Put values in the place of others that are noted, which are kept; returns the files changed.

    A value that is not given stays.
    """
    cursor.execute(
        "WITH offered AS (SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[]) "
        "AS i (fuid, name, bytes, checksum)), "
        "old AS (SELECT f.* FROM file_info f JOIN offered i USING (fuid) "
        "WHERE (i.name <> '' AND f.name <> '' AND i.name <> f.name) "
        "OR (i.bytes > 0 AND i.bytes <> f.bytes) "
        "OR (i.checksum <> '' AND f.checksum <> '' AND i.checksum <> f.checksum) "
        "ORDER BY f.fuid FOR UPDATE OF f), "
        "kept AS (INSERT INTO file_info_replaced (fuid, name, bytes, checksum, replaced_by) "
        "SELECT fuid, name, bytes, checksum, %s FROM old) "
        "UPDATE file_info f SET name = coalesce(nullif(i.name, ''), f.name), "
        "bytes = coalesce(nullif(i.bytes, 0), f.bytes), "
        "checksum = coalesce(nullif(i.checksum, ''), f.checksum), noted = now() "
        "FROM offered i JOIN old USING (fuid) WHERE f.fuid = i.fuid RETURNING f.fuid::text",
        (*columns(infos), replaced_by),
    )
    return {uuid.UUID(text) for (text,) in cursor.fetchall()}


def noted(cursor: Cursor, fuids: Sequence[uuid.UUID]) -> dict[uuid.UUID, FileInfo]:
    """Return what is noted of files; those without anything are left out."""
    cursor.execute(
        "SELECT fuid::text, name, coalesce(bytes, 0), checksum FROM file_info "
        "WHERE fuid = ANY (%s::uuid[])",
        ([str(fuid) for fuid in fuids],),
    )
    rows = (FileInfo(uuid.UUID(text), *values) for text, *values in cursor.fetchall())
    return {info.fuid: info for info in rows}


def columns(infos: Sequence[FileInfo]) -> tuple[list[str], list[str], list[int], list[str]]:
    """Return the fields of files as columns for `unnest`. Pure."""
    return (
        [str(info.fuid) for info in infos],
        [info.name for info in infos],
        [info.bytes for info in infos],
        [info.checksum for info in infos],
    )


def refused(
    offers: Iterable[FileInfo], noted_now: Mapping[uuid.UUID, FileInfo]
) -> frozenset[FileInfo]:
    """Return the offers that contradict what is noted. Pure."""
    return frozenset(
        offer
        for offer in offers
        if offer.fuid in noted_now and contradicts(offer, noted_now[offer.fuid])
    )
