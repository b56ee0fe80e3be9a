"""What the tests of administration share: columns for the store, lookups and counts to compare."""

from __future__ import annotations

import uuid

import numpy as np

from event_store.admin import verify
from event_store.database.connection import Connection, StoreOptions
from event_store.lookup.reader import Reader
from event_store.model import EventColumns, RawFile
from tests.conftest import query

FILES = [RawFile(uuid.uuid5(uuid.NAMESPACE_URL, f"file{i}"), 1 + i % 3) for i in range(9)]


def columns(runs, events, olt, index, files=FILES, source="test", cosmic=None) -> EventColumns:
    """A batch of events."""
    n = len(events)
    return EventColumns(
        np.broadcast_to(np.asarray(runs, np.int64), n).copy(),
        np.asarray(events, np.int64),
        np.broadcast_to(np.asarray(olt, np.uint64), n).copy(),
        np.broadcast_to(np.asarray(index, np.int32), n).copy(),
        files,
        np.zeros(n, np.int32),
        [source],
        cosmic or {},
    )


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """A connection as the services have it."""
    return Connection(url, StoreOptions(), autocommit=autocommit, name="test")


def differences(url: str) -> list[str]:
    """What verify says of all runs."""
    connection, found = connect(url), []
    run = verify.next_run(connection, 0, 2**63 - 1)
    while run is not None:
        for number, _ in verify.collections_of_run(connection, run):
            checked = verify.verify_run(connection, run, lambda: False, number)
            found += checked.differences
        run = verify.next_run(connection, run + 1, 2**63 - 1)
    connection.close()
    return found


def make_reader() -> Reader:
    """A reader that answers (file id, dataset)."""
    return Reader(1 << 24, lambda fuid, dsid, state: (uuid.UUID(bytes=fuid), dsid))


def check_lookups(reader: Reader, url: str, model: dict, pairs: list[tuple[int, int]]) -> None:
    """Look pairs up and compare with the model: (run, event) -> (file, olt)."""
    connection = connect(url, autocommit=True)
    runs, events = np.array(pairs, np.int64).T
    answer = reader.lookup(connection, runs, events, with_olt=True)
    connection.close()
    for place, pair in enumerate(pairs):
        found = int(answer.file_indexes[place])
        got = (RawFile(*answer.files[found - 1]), int(answer.olt[place])) if found else None
        assert got == model.get(pair), pair


def files_of(url: str, run: int = 1) -> dict[tuple[str, int], tuple[int, int, int]]:
    """The rows of raw_file of a run: (id, dataset) -> (events, first, last)."""
    rows = query(
        url,
        "SELECT fuid_raw::text, dsid_raw, n_events, first_event, last_event FROM raw_file "
        "WHERE run_number = %s",
        (run,),
    )
    return {(fuid, dsid): tuple(counts) for fuid, dsid, *counts in rows}
