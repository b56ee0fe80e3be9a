"""What the tests of the reader share: batches of columns, answers checked against a dictionary."""

from __future__ import annotations

import numpy as np

from event_store.model import EventColumns


def columns(runs, events, olt, index, files):
    return EventColumns(
        np.asarray(runs, np.int64),
        np.asarray(events, np.int64),
        np.asarray(olt, np.uint64),
        np.asarray(index, np.int32),
        files,
        np.zeros(len(runs), np.int32),
        ["test"],
    )


def check(reader, connection, model, runs, events, *, with_olt):
    """Look pairs up and compare with the model: (run, event) -> (file, olt)."""
    answer = reader.lookup(connection, np.array(runs), np.array(events), with_olt=with_olt)
    assert len(set(answer.files)) == len(answer.files)
    assert set(answer.file_indexes.tolist()) - {0} == set(range(1, len(answer.files) + 1))
    places = answer.file_indexes.tolist()
    masks = [0] * len(places) if answer.olt is None else answer.olt.tolist()
    all_runs = np.broadcast_to(np.asarray(runs), len(events)).tolist()
    pairs = zip(all_runs, np.asarray(events).tolist(), strict=True)
    for pair, found, mask in zip(pairs, places, masks, strict=True):
        expected = model.get(pair)
        if expected is None:
            assert (found, mask) == (0, 0)
            continue
        file, olt = expected
        assert found
        assert answer.files[found - 1][:2] == (file.fuid, file.dsid)
        if with_olt:
            assert mask == olt
