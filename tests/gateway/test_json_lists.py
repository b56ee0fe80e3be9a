"""Lists as JSON: regular pieces and others, read as one document."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from eventindex.pair_lists.text import Columns
from rest_gateway.lists import json_lists
from rest_gateway.problems import Problem

PAIRS = [(n % 7, 2**62 + n) for n in range(4_000)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of some thousand pairs are many pieces."""
    monkeypatch.setattr(json_lists, "_PIECE_BYTES", 16 * 1024)


def read(text: str, columns: Columns | None = None) -> tuple[list[tuple[int, int]], list[dict]]:
    """The pairs of a document and what is wrong in it."""
    pairs: list[tuple[int, int]] = []
    errors: list[dict] = []
    for block in json_lists.read_json(io.BytesIO(text.encode()), columns or Columns()):
        assert block.pairs.runs.dtype == np.int64
        pairs += zip(block.pairs.runs.tolist(), block.pairs.events.tolist(), strict=True)
        errors += block.errors
    return pairs, errors


@pytest.mark.parametrize("indent", [None, 1])
def test_long_documents_are_read_whole(indent):
    """Every pair is there once, in order, wherever a piece of the document ends."""
    text = json.dumps({"pairs": PAIRS}, indent=indent)
    assert len(text) > 4 * json_lists._PIECE_BYTES
    assert read(f" \n{text}\n ") == (PAIRS, [])


@pytest.mark.parametrize("at", [0, 1, 2_100, len(PAIRS)])
@pytest.mark.parametrize(
    ("element", "field", "pointer"),
    [
        ([1, -2], "event_number", "/1"),
        ([2**63, 2], "run_number", "/0"),
        ([1, 10**19], "event_number", "/1"),
        ([1.0, 2], "run_number", "/0"),
        ([True, 2], "run_number", "/0"),
        (["],", 2], "run_number", "/0"),
        ([1], "pair", ""),
        ([1, 2, 3], "columns", ""),
        ([[1], [2]], "run_number", "/0"),
        ({"a": [1, 2]}, "pair", ""),
        (None, "pair", ""),
    ],
)
def test_an_element_that_is_no_pair_is_pointed_at(at, element, field, pointer):
    """The pairs before and behind it are read, and its place in the document is told."""
    elements = [*PAIRS[:at], element, *PAIRS[at:]]
    pairs, (error,) = read(json.dumps({"pairs": elements}))
    assert pairs == PAIRS
    assert (error["pointer"], error["field"]) == (f"/pairs/{at}{pointer}", field)


@pytest.mark.parametrize(
    "end", [",]}", "]", "]}]", ']}{"a":[1]}', '],"pairs":[[1,2]]}', '],"x":[[1,2],[3,4]]}', "x]}"]
)
@pytest.mark.parametrize("pairs", [[], PAIRS[:3], PAIRS])
def test_a_document_that_ends_badly_is_refused(pairs, end):
    """However much of it was fine, it is no list."""
    inner = json.dumps(pairs)[:-1]
    with pytest.raises(Problem) as refused:
        read(f'{{"pairs":{inner}{end}')
    assert refused.value.status == 400


def test_columns_said_by_hand_are_elements():
    """Other columns than the first two count where that is said."""
    elements = [[event, 0, run] for run, event in PAIRS[:5]]
    text = json.dumps({"pairs": elements})
    assert read(text, Columns(2, 0, 3, by_hand=True)) == (PAIRS[:5], [])
