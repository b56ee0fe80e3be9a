"""When detectors were last heard and how long they were silent at most, over restarts."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from event_store.database.connection import Connection

# Of those that were heard last: an index may have seen many in its life.
DETECTORS_MAX = 1_000

_COLUMNS = (
    "unnest(%s::text[], %s::double precision[], %s::double precision[]) "
    "AS heard (detector_id, last_heard, longest_silence_s)"
)


class Heard(NamedTuple):
    """A detector: when its last message came, Unix seconds, and its longest silence before."""

    detector_id: str
    last_heard: float
    longest_silence_s: float


def note_heard(connection: Connection, heard: Collection[Heard]) -> None:
    """Remember what was heard; what is known already never becomes less.

    Raises:
        StoreUnavailableError: try again.
    """
    if not heard:
        return
    values = tuple(list(column) for column in zip(*sorted(heard), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO detector_heard (detector_id, last_heard, longest_silence_s) "
            f"SELECT detector_id, to_timestamp(last_heard), longest_silence_s FROM {_COLUMNS} "
            "ON CONFLICT (detector_id) DO NOTHING",
            values,
        )
        cursor.execute(
            "UPDATE detector_heard AS known "
            "SET last_heard = greatest(known.last_heard, to_timestamp(heard.last_heard)), "
            "longest_silence_s = greatest(known.longest_silence_s, heard.longest_silence_s) "
            f"FROM {_COLUMNS} WHERE known.detector_id = heard.detector_id",
            values,
        )


def read_heard(connection: Connection) -> list[Heard]:
    """Return the detectors that were heard last, the last first.

    Raises:
        StoreUnavailableError: try again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT detector_id, extract(epoch FROM last_heard)::double precision, "
            "longest_silence_s FROM detector_heard ORDER BY last_heard DESC LIMIT %s",
            (DETECTORS_MAX,),
        )
        return [Heard(*row) for row in cursor.fetchall()]
