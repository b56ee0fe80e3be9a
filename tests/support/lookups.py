"""Events for index_service, and requests for them."""

from __future__ import annotations

import uuid

import numpy as np

from event_store.model import EventColumns, RawFile
from event_store.write.writer import Store
from eventindex.v1 import lookup_pb2

FILES = [RawFile(uuid.UUID(int=i + 1), i) for i in range(3)]


def store_events(url, run, events, index=None, olt=None):
    n = len(events)
    store = Store(url)
    store.write(
        EventColumns(
            np.full(n, run, np.int64),
            np.asarray(events, np.int64),
            np.zeros(n, np.uint64) if olt is None else np.asarray(olt, np.uint64),
            np.zeros(n, np.int32) if index is None else np.asarray(index, np.int32),
            FILES,
            np.zeros(n, np.int32),
            ["test"],
        )
    )
    store.close()


def request(runs, events, **fields):
    return lookup_pb2.LookupRequest(run_numbers=runs, event_numbers=events, **fields)
