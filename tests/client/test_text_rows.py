"""Rows of text: many at once are those that each would be alone."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from eventindex import text_rows
from eventindex.columns import EventColumns
from eventindex.lookup_messages import decode
from eventindex.pairs import Pairs
from eventindex.results import LookupResult, RawFile, to_result
from eventindex.v1 import lookup_pb2

ROWS = text_rows._ARROW_ROWS_MIN
NAME = 'a "b", c\n/é.root'


@pytest.fixture(scope="module", params=[ROWS, ROWS - 1], ids=["many", "some"])
def result(request: pytest.FixtureRequest) -> LookupResult:
    """Answers with what is awkward: no file, odd names, the largest numbers."""
    n = request.param
    random = np.random.default_rng(7)
    indexes = random.integers(0, 4, n)
    message = lookup_pb2.LookupResponse(
        file_indexes=indexes, olt_results=[2**64 - 1 - i if i else 0 for i in indexes.tolist()]
    )
    for number in range(3):
        message.files.add(fuid_raw=f"0f5c2d3e-0000-5000-8000-00000000000{number}", dsid_raw=number)
    message.files[1].name = NAME
    pairs = Pairs(random.integers(0, 3, n), random.integers(0, 2**63 - 1, n))
    return to_result(pairs, decode(message.SerializeToString()), with_olt_result=True)


def test_objects_are_json(result):
    """Each object has the row's values, and null where nothing was found."""
    text = text_rows.AnswerObjects(names=True)(result).decode()
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == len(result.run_numbers)
    for at in (0, 1, len(rows) // 2, len(rows) - 1, *np.flatnonzero(result.missing())[:2]):
        index = int(result.file_indexes[at])
        file = result.files[index - 1] if index else None
        assert rows[at]["run_number"] == result.run_numbers[at]
        assert rows[at]["event_number"] == result.event_numbers[at]
        assert rows[at]["fuid_raw"] == (file and file.fuid_raw)
        assert rows[at]["name"] == (file and (file.name or None))
        assert rows[at]["olt_result"] == (int(result.olt_results[at]) if file else None)


def test_lines_are_csv(result):
    """What the csv module reads back are the row's values, whatever a name holds."""
    text = text_rows.AnswerLines(names=True)(result).decode()
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert {len(row) for row in rows} == {len(text_rows.answer_fields(olt=True, names=True))}
    assert [int(row[1]) for row in rows] == result.event_numbers.tolist()
    assert [row[2] for row in rows] == [
        result.files[i - 1].fuid_raw if i else "" for i in result.file_indexes.tolist()
    ]
    assert {row[5] for row in rows} == {"", NAME}
    found = result.file_indexes > 0
    assert [row[-1] for row in rows] == [
        str(bits) if there else "" for bits, there in zip(result.olt_results, found, strict=True)
    ]


@pytest.mark.parametrize("n", [0, 1, ROWS])
def test_events_are_written_as_they_are(n):
    """Lines and objects of events have run, event, bits and file."""
    file = RawFile("0f5c2d3e-0000-5000-8000-000000000001", 7)
    events = EventColumns([file], [3] * n, list(range(n)), [1] * n, [2**64 - 1] * n)
    assert text_rows.event_lines(events) == "".join(
        f"3,{event},{2**64 - 1},7,{file.fuid_raw}\n" for event in range(n)
    )
    objects = [json.loads(line) for line in text_rows.event_objects(events).splitlines()]
    assert [one["event_number"] for one in objects] == list(range(n))
    assert {one["fuid_raw"] for one in objects} <= {file.fuid_raw}
