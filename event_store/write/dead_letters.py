"""Dead letters on their way in: stored as long as there is room for them.

Works on the cursor of a transaction of the writer. Never decides what is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.database.statements import execute_rows
from event_store.model import DeadLetter
from eventindex.told import reason_of

# Beside its texts and payload: the row's head, its numbers, its place in the index. The trigger of
# the table counts the same.
LETTER_BYTES = 128


def kept_letters_bytes(cursor: Cursor) -> int:
    """Return the bytes of all dead letters, as a trigger of their table counts them."""
    cursor.execute("SELECT bytes FROM dead_letter_size")
    return int(fetch_one(cursor)[0])


def with_room(
    letters: Iterable[DeadLetter], room_bytes: int
) -> tuple[list[DeadLetter], list[DeadLetter]]:
    """Return the letters that fit, the first ones first, and those that do not. Pure."""
    kept: list[DeadLetter] = []
    left: list[DeadLetter] = []
    for letter in letters:
        size = letter_bytes(letter)
        if size <= room_bytes:
            kept.append(letter)
            room_bytes -= size
        else:
            left.append(letter)
    return kept, left


def letter_bytes(letter: DeadLetter) -> int:
    """Return what a letter takes of the room for letters. Pure."""
    texts = (letter.topic, letter.reason, letter.detail, letter.source)
    return LETTER_BYTES + len(letter.payload) + sum(len(text.encode()) for text in texts)


def told_json(detail: str) -> str | None:
    """Return the reason and the parameters of a sentence as JSON; None where it has none. Pure."""
    reason, parameters = reason_of(detail)
    if not reason:
        return None
    return json.dumps({"reason": reason, "parameters": parameters})


def insert_dead_letters(
    cursor: Cursor, letters: Sequence[DeadLetter], step: Callable[[], None] = lambda: None
) -> None:
    """Store refused messages; `step` is called after each statement."""
    later = _later_columns(cursor) if letters else []
    execute_rows(
        cursor,
        f"INSERT INTO dead_letter ({', '.join([*_COLUMNS, *later])}) VALUES %s",
        (
            (
                letter.topic,
                letter.payload,
                letter.truncated,
                letter.reason,
                str(letter.detail),
                letter.source,
                *(_LATER_COLUMNS[name](letter) for name in later),
            )
            for letter in letters
        ),
        step=step,
    )


_COLUMNS = ("topic", "payload", "truncated", "reason", "detail", "source")
# Which a schema of before 0019 lacks; whoever migrates it meanwhile need not restart the service.
_LATER_COLUMNS: Mapping[str, Callable[[DeadLetter], str | None]] = {
    "detail_told": lambda letter: told_json(letter.detail),
    "request_id": lambda letter: letter.request_id,
}


def _later_columns(cursor: Cursor) -> list[str]:
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'dead_letter'::regclass "
        "AND attname = ANY(%s) AND NOT attisdropped",
        (list(_LATER_COLUMNS),),
    )
    return [name for (name,) in cursor.fetchall()]
