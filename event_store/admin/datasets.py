"""Datasets and dead letters changed or read by hand. Never touches an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.errors import NameTakenError, NotFoundError, WrongStateError
from event_store.model import DatasetState
from event_store.select.lists import DatasetRow, get_dataset
from event_store.telescope.names import PREFIX
from event_store.write.catalogue import wait_for_writers
from eventindex.told import Told, told

# Datasets are renamed by one caller at a time.
_NAMES_LOCK = 0x45764967


@dataclass(frozen=True, slots=True)
class DatasetChange:
    """What to change of a dataset; None leaves a value as it is."""

    dsid: int
    name: str | None = None
    state: DatasetState | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A dead letter; `payload` is empty in lists, `received` is aware, `detail` may be a `Told`."""

    dead_letter_id: int
    topic: str
    payload_bytes: int
    truncated: bool
    reason: str
    detail: str
    source: str
    received: datetime
    request_id: str
    payload: bytes = b""


def update_dataset(connection: Connection, change: DatasetChange) -> DatasetRow:
    """Change a dataset. When this returns no writer adds events by an older state any more.

    Raises:
        NotFoundError: there is no such dataset.
        NameTakenError: another dataset has the name.
        WrongStateError: the name of a telescope's dataset would change.
        StoreUnavailableError: a writer did not end in time; the change is stored, ask again.
    """
    with connection.cursor() as cursor:
        if change.name is not None:
            _check_name(cursor, change.dsid, change.name)
        row = _change_dataset(cursor, change)
    if change.state is not None:
        with connection.cursor() as cursor:
            wait_for_writers(cursor)
    return row


def list_dead_letters(
    connection: Connection, *, before: int, reason: str, topic: str, limit: int
) -> list[LetterRow]:
    """Return dead letters below `before`, without their payloads, the newest first.

    An empty reason or topic does not restrict.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_LETTER_COLUMNS} FROM {_LETTERS} WHERE dead_letter_id < %s "
            "AND (%s = '' OR reason = %s) AND (%s = '' OR topic = %s) "
            "ORDER BY dead_letter_id DESC LIMIT %s",
            (before, reason, reason, topic, topic, limit),
        )
        return [_letter(row, b"") for row in cursor.fetchall()]


def get_dead_letter(connection: Connection, dead_letter_id: int) -> LetterRow:
    """Return a dead letter with its payload.

    Raises:
        NotFoundError: there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_LETTER_COLUMNS}, payload FROM {_LETTERS} WHERE dead_letter_id = %s",
            (dead_letter_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise NotFoundError(
            told("DEAD_LETTER_NOT_FOUND", "dead letter {id} does not exist", id=dead_letter_id)
        )
    return _letter(row[:-1], bytes(row[-1]))


def delete_dead_letter(connection: Connection, dead_letter_id: int) -> bool:
    """Remove a dead letter; whether it was there."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dead_letter WHERE dead_letter_id = %s", (dead_letter_id,))
        return bool(cursor.rowcount)


# A schema of before 0019 lacks two columns: where the table has none of that name, the subqueries
# find the one beside it.
_LETTERS = "(SELECT '' AS request_id, NULL::jsonb AS detail_told) AS missing CROSS JOIN dead_letter"
_LETTER_COLUMNS = (
    "dead_letter_id, topic, octet_length(payload), truncated, reason, detail, source, received, "
    + ", ".join(
        f"(SELECT {name} FROM dead_letter AS d WHERE d.dead_letter_id = dead_letter.dead_letter_id)"
        for name in ("request_id", "detail_told")
    )
)


def _letter(row: Sequence[Any], payload: bytes) -> LetterRow:
    *columns, told_of = row
    letter = LetterRow(*(*columns, payload))
    if told_of is None:
        return letter
    return replace(letter, detail=Told(letter.detail, told_of["reason"], told_of["parameters"]))


def _check_name(cursor: Cursor, dsid: int, name: str) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_NAMES_LOCK,))
    cursor.execute(
        "SELECT dsid_raw, name FROM dataset WHERE dsid_raw = %s OR name = %s", (dsid, name)
    )
    known: Mapping[int, str] = dict(cursor.fetchall())
    other = next((other for other in known if other != dsid), None)
    if other is not None:
        raise NameTakenError(
            told(
                "NAME_OF_DATASET",
                "name={name} is the name of dataset dsid_raw={dataset}",
                name=f"{name!r}",
                dataset=other,
            )
        )
    # The ingest service finds a telescope's dataset by this name.
    old = known.get(dsid, name)
    if old != name and old.startswith(PREFIX):
        raise WrongStateError(
            told(
                "NAME_OF_TELESCOPE",
                "dataset dsid_raw={dataset} is a telescope's: its name stays {name}; use "
                "the comment",
                dataset=dsid,
                name=f"{old!r}",
            )
        )


def _change_dataset(cursor: Cursor, change: DatasetChange) -> DatasetRow:
    state = None if change.state is None else int(change.state)
    changes = {"name": change.name, "state": state, "comment": change.comment}
    given = {column: value for column, value in changes.items() if value is not None}
    # Only the columns that change: a trigger tells the readers of every update of `state`.
    cursor.execute(
        f"UPDATE dataset SET {', '.join(f'{column} = %s' for column in given)} WHERE dsid_raw = %s",
        (*given.values(), change.dsid),
    )
    row = get_dataset(cursor, dsid=change.dsid)
    if row is None:
        raise NotFoundError(
            told(
                "DATASET_NOT_FOUND",
                "dataset dsid_raw={dataset} is not in the index",
                dataset=change.dsid,
            )
        )
    return row
