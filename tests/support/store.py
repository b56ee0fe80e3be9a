"""What the tests of the store share: a batch of events, what a reader answers."""

from __future__ import annotations

import uuid

import numpy as np

from event_store.model import EventColumns


def columns(runs, events, index, files):
    n = len(events)
    return EventColumns(
        np.broadcast_to(np.asarray(runs, np.int64), n),
        np.asarray(events, np.int64),
        np.zeros(n, np.uint64),
        np.asarray(index, np.int32),
        files,
        np.zeros(n, np.int32),
        ["test"],
    )


def reply(fuid, dsid, state):
    return (uuid.UUID(bytes=fuid), dsid, int(state))
