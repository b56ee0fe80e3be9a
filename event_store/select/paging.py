"""Pages of a list: rows behind the last key of the page before, in one order or another.

A page begins behind a key (keyset), so that rows which come and go do not shift it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from psycopg2.extensions import cursor as Cursor

# The type of each column that is not a number.
KEY_TYPES: Mapping[str, str] = {
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
    "created": "timestamptz",
    "name": "text",
    "fuid_raw": "uuid",
}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which page of a list: the rows behind `after` (none: the first) in the order of `columns`.

    `columns` is one of the orders above, `after` a value for each of them.
    """

    columns: Sequence[str]
    descending: bool
    after: Sequence[object] | None
    limit: int


class Rows(NamedTuple, Generic[Row]):
    """The rows of a page, and whether there are more behind them."""

    rows: list[Row]
    more: bool


def order(page: PageOf) -> str:
    """Return the order of a page's rows, as SQL."""
    direction = " DESC" if page.descending else ""
    return ", ".join(f"{column}{direction}" for column in page.columns)


def read_page(
    cursor: Cursor,
    sql: str,
    inner: str,
    values: Sequence[object],
    *,
    page: PageOf,
    make: Callable[..., Row],
) -> Rows[Row]:
    """Run `sql` with `{page}` being the rows of `inner` behind the last key, one more than asked.

    Numbers are compared as bigint, so that no value of a page token is out of a column's range.
    """
    after = ""
    if page.after is not None:
        marks = ", ".join(f"%s::{KEY_TYPES.get(column, 'bigint')}" for column in page.columns)
        sign = "<" if page.descending else ">"
        after = f"WHERE ({', '.join(page.columns)}) {sign} ({marks})"
    limited = f"SELECT * FROM ({inner}) l {after} ORDER BY {order(page)} LIMIT %s"
    cursor.execute(sql.format(page=limited), (*values, *(page.after or ()), page.limit + 1))
    rows = [make(*row) for row in cursor.fetchall()]
    return Rows(rows[: page.limit], len(rows) > page.limit)
