"""Statements that carry many values: cut, so that none is larger than the server digests at once.

A bound in rows is none: a row may hold a message. PostgreSQL ends the connection at a message of
1 GiB, and what takes longer than the stall timeout is given up. Never decides what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from psycopg2.extensions import cursor as Cursor

# A value that is larger goes alone.
STATEMENT_BYTES_MAX = 4 * 1024 * 1024
# Rows of a few numbers and ids, as text: 16,384 of 200 bytes are 3.2 MiB.
NUMBER_ROWS_MAX = 16_384

T = TypeVar("T")


def pieces(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Cut items into lists of `STATEMENT_BYTES_MAX` bytes; an item that is larger stands alone."""
    piece: list[T] = []
    piece_bytes = 0
    for item in items:
        item_bytes = size_of(item)
        if piece and piece_bytes + item_bytes > STATEMENT_BYTES_MAX:
            yield piece
            piece, piece_bytes = [], 0
        piece.append(item)
        piece_bytes += item_bytes
    if piece:
        yield piece


def number_pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut items that are a few numbers and ids each; nothing for no items."""
    for first in range(0, len(items), NUMBER_ROWS_MAX):
        yield items[first : first + NUMBER_ROWS_MAX]


def text_bytes(text: str) -> int:
    """Return an upper bound of a text in an array literal: four bytes a character, quoted."""
    return 4 * len(text) + 6


def execute_rows(
    cursor: Cursor,
    sql: str,
    rows: Iterable[Sequence[Any]],
    *,
    template: str = "",
    beside: Callable[[Sequence[Any]], int] = lambda _: 0,
    step: Callable[[], None] = lambda: None,
) -> list[tuple[Any, ...]]:
    """Run an `INSERT … VALUES %s …` for rows, as often as their bytes need it.

    Args:
        cursor: of a transaction.
        sql: with one `%s` for all rows.
        rows: of one length.
        template: of a row's values, where it is not just one `%s` for each.
        beside: bytes that the server copies for a row beside what the row carries.
        step: called after each statement: the stall timeout is a statement's.

    Returns:
        What the statements returned.
    """
    head, _, tail = (part.encode() for part in sql.partition("%s"))
    returned: list[tuple[Any, ...]] = []

    def encoded() -> Iterator[tuple[bytes, int]]:
        for row in rows:
            literal = cursor.mogrify(template or f"({','.join(['%s'] * len(row))})", row)
            yield literal, len(literal) + 1 + beside(row)

    for piece in pieces(encoded(), lambda row: row[1]):
        cursor.execute(head + b",".join(literal for literal, _ in piece) + tail)
        if cursor.description is not None:
            returned += cursor.fetchall()
        step()
    return returned
