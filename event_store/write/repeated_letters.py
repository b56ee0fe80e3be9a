"""Dead letters that come again: a retained message is refused anew at each subscription."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import psycopg2
from psycopg2.extensions import cursor as Cursor

from event_store.model import DeadLetter


def without_known(cursor: Cursor, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Leave out letters that are kept once and are there already, by topic and payload."""
    keys = {
        index: (letter.topic, hashlib.sha256(letter.payload).digest())
        for index, letter in enumerate(letters)
        if letter.once
    }
    known = _known(cursor, set(keys.values())) if keys else set()
    new = []
    for index, letter in enumerate(letters):
        key = keys.get(index)
        if key is None or key not in known:
            new.append(letter)
        if key is not None:
            known.add(key)
    return new


def _known(cursor: Cursor, keys: set[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    topics, digests = zip(*keys, strict=True)
    # OFFSET 0: a look into the index for each, never a scan of all letters.
    cursor.execute(
        "SELECT topic, digest FROM unnest(%s::text[], %s::bytea[]) AS k (topic, digest) "
        "WHERE EXISTS (SELECT 1 FROM dead_letter d "
        "WHERE sha256(d.payload) = k.digest AND d.topic = k.topic OFFSET 0)",
        (list(topics), [psycopg2.Binary(digest) for digest in digests]),
    )
    return {(topic, bytes(digest)) for topic, digest in cursor.fetchall()}
