"""Batches of events that the client sends, over a server that is cut."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.client import Server, fuid


def columns(number: int) -> EventColumns:
    files = [RawFile(fuid(100 + number), 5), RawFile(fuid(200 + number), 666)]
    return EventColumns(files, [50 + number], np.arange(6), [1, 1, 1, 1, 1, 2], np.arange(6))


def test_ingest_acknowledges_each_batch(server: Server, client: eventindex.Client):
    """Acknowledgements come one a batch, in order, with counts and refusals."""
    acks = list(client.ingest(columns(n) for n in range(20)))
    assert len(acks) == 20
    for ack in acks:
        assert (ack.inserted, ack.duplicates, ack.conflicts, ack.rejected) == (5, 0, 0, 1)
        assert ack.rejections == (eventindex.Rejection(5, "dataset 666 is frozen"),)
    result = client.lookup((53, np.arange(6)), with_olt_result=True)
    assert list(result.fuids()) == [fuid(103)] * 5 + [None]
    assert result.olt_results is not None
    assert result.olt_results.tolist() == [0, 1, 2, 3, 4, 0]


def test_ingest_resumes_after_a_cut(server: Server, client: eventindex.Client):
    """A batch that was stored but not acknowledged is sent again and counts as duplicates."""

    def cut(call: int, answered: int, context: Any) -> None:
        if call == 1 and answered == 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    server.ingest.before_ack = cut
    acks = list(client.ingest(columns(n) for n in range(10)))
    assert len(acks) == 10
    assert acks[3].duplicates == 5
    assert sum(ack.inserted + ack.duplicates for ack in acks) == 50


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"file_indexes": [1, 2, 3]}, "file_index 2 is 3, and there are 2 files"),
        ({"file_indexes": [0, 1, 1]}, "file_index 0 is 0"),
        ({"file_indexes": [1, 1]}, "2 file indexes for 3 events"),
        ({"run_numbers": [1, 2]}, "2 run numbers for 3 events"),
        ({"event_numbers": [1, 2, -1]}, "event_number 2 is -1"),
        ({"olt_results": [1, 2, -1]}, "olt_results must be integers"),
        ({"olt_results": [1, 2]}, "olt_results has shape"),
        ({"files": [RawFile("{" + fuid(1) + "}", 1)]}, "fuid_raw of file 0"),
        ({"files": [RawFile(fuid(1), 2**31)]}, "dsid_raw of file 0 is 2147483648"),
    ],
)
def test_columns_are_checked_before_they_are_sent(
    client: eventindex.Client, change: dict[str, Any], text: str
):
    """Columns that do not fit are a ValueError that names index and value."""
    good: dict[str, Any] = {
        "files": [RawFile(fuid(1), 1), RawFile(fuid(2), 1)],
        "run_numbers": [1],
        "event_numbers": [1, 2, 3],
        "file_indexes": [1, 2, 1],
    }
    with pytest.raises(ValueError, match=text):
        list(client.ingest([EventColumns(**(good | change))]))
