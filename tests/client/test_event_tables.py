"""Events as people hold them: frames, Arrow tables, arrays and dictionaries go into ingest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import eventindex
from eventindex.event_tables import to_batches
from tests.support.client import Server, fuid

COLUMNS: dict[str, Any] = {
    "run_number": [1, 1, 2],
    "event_number": [5, 6, 2**60],
    "olt_result": [0, 2**63, 1],
    "dsid_raw": [7, 8, 7],
    "fuid_raw": [fuid(1), fuid(2), fuid(1)],
}
WANTED = {
    (1, 5): (fuid(1), 7, 0),
    (1, 6): (fuid(2), 8, 2**63),
    (2, 2**60): (fuid(1), 7, 1),
}


# Arrow takes a list of numbers above 2^63-1 for no column.
ARROW = COLUMNS | {"olt_result": np.array(COLUMNS["olt_result"], np.uint64)}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with the events of run 1 that are asked for here."""
    server = Server({(1, event): (fuid(event % 2), 7, event) for event in range(1, 10)})
    yield server
    server.stop()


def structured() -> np.ndarray[Any, Any]:
    kinds = [("run_number", "i8"), ("event_number", "i8"), ("olt_result", "u8"), ("dsid_raw", "i4")]
    rows = list(zip(*COLUMNS.values(), strict=True))
    return np.array(rows, dtype=[*kinds, ("fuid_raw", "U36")])


@pytest.mark.parametrize(
    "table",
    [
        COLUMNS,
        ARROW,
        COLUMNS | {"fuid_raw": [uuid.UUID(text) for text in COLUMNS["fuid_raw"]]},
        COLUMNS | {"fuid_raw": [uuid.UUID(text).bytes for text in COLUMNS["fuid_raw"]]},
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).astype({"fuid_raw": "category"}),
        pd.DataFrame(COLUMNS).set_index(["run_number", "event_number"]),
        pd.DataFrame(COLUMNS).iloc[::-1],
        pa.table(ARROW),
        pa.table(ARROW).to_batches()[0],
        structured(),
        [pd.DataFrame(COLUMNS)[:1], pd.DataFrame(COLUMNS)[1:]],
        (part for part in (COLUMNS,)),
    ],
    ids=["dict", "arrays", "uuids", "bytes", "frame", "category", "index", "reversed", "table",
         "batch", "structured", "list", "generator"],
)  # fmt: skip
def test_a_table_is_stored_as_it_is(table: Any):
    """Whatever holds the columns, the same events arrive, each with its file and bits."""
    server = Server({})
    try:
        with eventindex.connect(server.address, ingest_address=server.address) as client:
            assert sum(ack.inserted for ack in client.ingest(table)) == 3
        assert server.store == WANTED
    finally:
        server.stop()


def test_long_tables_go_in_batches_and_one_value_stands_for_all():
    """A table of any length is cut; olt_result may be left out."""
    table = {
        "run_number": 3,
        "event_number": np.arange(250_001),
        "dsid_raw": np.int32(7),
        "fuid_raw": fuid(1),
    }
    batches = list(to_batches(table, collection="aod"))
    assert [len(batch) for batch in batches] == [100_000, 100_000, 50_001]
    assert all(len(batch.files) == 1 for batch in batches)
    assert batches[0].olt_results is None
    assert batches[0].collection == "aod"
    assert list(to_batches(pd.DataFrame({name: [] for name in COLUMNS}))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mass": [1.0, 2.0, 3.0]}, "the column 'mass' is none of run_number, .*ignore_extra=True"),
        ({"dsid_raw": None}, "no column 'dsid_raw'; events have run_number, event_number"),
        ({"event_number": [1, -2, 3]}, "event_number 1 is -2"),
        ({"event_number": [1.0, 2.0, 3.0]}, "event_number 0 is 1.0, not an integer"),
        ({"dsid_raw": [1, 2, 2**31]}, "dsid_raw 2 is 2147483648, outside 0 to 2"),
        ({"run_number": [1, 2]}, "different lengths"),
        ({"fuid_raw": [fuid(1), None, fuid(1)]}, "fuid_raw 1 is 'None', not a UUID"),
        ({"fuid_raw": fuid(1).replace("-", "")}, rf"not a UUID \(write {fuid(1)}\)"),
        ({"fuid_raw": f"{{{fuid(1)}}}"}, rf"not a UUID \(write {fuid(1)}\)"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(change: dict[str, Any], words: str):
    """The column, the row and the value are named before anything is sent."""
    table = {name: value for name, value in (COLUMNS | change).items() if value is not None}
    with pytest.raises(ValueError, match=words):
        list(to_batches(table))
    if "mass" in change:
        assert len(next(to_batches(table, ignore_extra=True))) == 3


def test_a_result_iterates(server: Server):
    """Who wants no columns gets a value a pair, None where nothing was found."""
    with eventindex.connect(server.address) as client:
        found = list(client.lookup([(1, 3), (1, 100)], with_olt_result=True))
        assert [(one.run_number, one.event_number, one.olt_result) for one in found] == [
            (1, 3, 3),
            (1, 100, None),
        ]
        assert found[0].file is not None
        assert (found[0].file.fuid_raw, found[1].file) == (fuid(1), None)
        assert [one.olt_result for one in client.lookup([(1, 3)])] == [None]


def test_wrong_choices_are_answered_with_the_choices(server: Server):
    """Nobody has to look up which words an argument takes."""
    with eventindex.connect(server.address) as client:
        for call, words in (
            (lambda: client.count_events(by="hour"), "by is 'hour', none of run, dataset, file"),
            (lambda: client.count_cosmic_events(by="x"), "none of run, block, hour, detector"),
            (lambda: client.datasets(state="shut"), "'shut', none of open, frozen, retired"),
            (lambda: eventindex.pick(client, [], "a.root", order="x"), "none of list, file"),
        ):
            with pytest.raises(ValueError, match=words):
                call()
