"""Lists of pairs in tables of Parquet and Arrow."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from eventindex.pair_lists.text import PairListError, read_pairs
from tests.support.pair_lists import read, refusal

# Tables


def as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def as_arrow(table: pa.Table, new: Callable = ipc.new_file, codec: str | None = "zstd") -> bytes:
    out = io.BytesIO()
    with new(out, table.schema, options=ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return out.getvalue()


FORMS = {
    "parquet": as_parquet,
    "arrow": as_arrow,
    "arrow, plain": lambda table: as_arrow(table, codec=None),
    "stream": lambda table: as_arrow(table, ipc.new_stream),
    "parquet.gz": lambda table: gzip.compress(as_parquet(table)),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Callable[[pa.Table], bytes]:
    return FORMS[request.param]


def test_tables_are_read_by_names_of_columns(form):
    """The two columns may stand anywhere and have any type of integer."""
    n = 100_000
    table = pa.table(
        {
            "mass": np.zeros(n),
            "EventNumber": pa.array(np.arange(n), pa.uint64()),
            "run": pa.array(np.arange(n) % 9, pa.int32()).dictionary_encode(),
        }
    )
    pairs, bad = read(form(table))
    assert pairs == [(event % 9, event) for event in range(n)]
    assert bad == []


def test_rows_that_are_no_pairs_are_named(form):
    """Nulls and numbers out of range are named by row and field, and nothing else is lost."""
    runs = pa.array([1, None, 3, 4, 5])
    events = pa.array([1, 2, 2**63, None, 5], pa.uint64())
    pairs, bad = read(form(pa.table({"run": runs, "event": events})))
    assert pairs == [(1, 1), (5, 5)]
    assert [(str(line), line.field) for line in bad] == [
        ("row 2: no number: null 2", "run_number"),
        (f"row 3: outside 0 to 2^63-1: 3 {2**63}", "event_number"),
        ("row 4: no number: 4 null", "event_number"),
    ]


def test_tables_without_two_columns_of_integers(form):
    """A table is refused with the names that it has, or with the type that is no integer."""
    table = pa.table({"a": [1], "b": [2.0], "c": [3]})
    assert "no two columns are named as run and event number: 'a', 'b', 'c'" in refusal(form(table))
    assert read(form(table), "run,-,event") == ([(1, 3)], [])
    assert "column 'b' is double: a list has integers" in refusal(form(table), "run,event,-")
    assert "3 columns, not 4" in refusal(form(table), "run,-,-,event")


def test_damaged_tables_are_one_sentence(form):
    """A table that was cut, or whose bytes were changed, is no traceback."""
    data = form(pa.table({"run": list(range(1000)), "event": list(range(1000))}))
    for place in range(16, len(data), 37):
        for damaged in (data[:place], data[:place] + b"\xff" + data[place + 1 :]):
            try:
                pairs, _ = read(damaged)
            except PairListError as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017  # or it is read
            else:
                assert len(pairs) <= 1000


@pytest.mark.parametrize("new", [ipc.new_file, ipc.new_stream])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_data_grows_to_is_told_before_it_is_held(new, codec):
    """A reader with a limit hears of the size of compressed columns before they are undone."""
    zeros = np.zeros(1_000_000, np.int64)
    data = as_arrow(pa.table({"run": zeros, "event": zeros}), new, codec)
    assert len(data) < 200_000
    told = 0

    class TooMuchError(Exception):
        pass

    def grown(size: int) -> None:
        nonlocal told
        told += size
        if told > 16_000_000:
            raise TooMuchError

    with pytest.raises(TooMuchError):
        next(read_pairs(io.BytesIO(data), grown=grown))
    told = -(10**9)
    blocks = read_pairs(
        io.BytesIO(gzip.compress(as_parquet(pa.table({"run": zeros, "event": zeros})))), grown=grown
    )
    assert sum(len(block.pairs.runs) for block in blocks) == 1_000_000
    assert told > -(10**9)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    """What needs pyarrow says how it is installed."""
    monkeypatch.setattr("eventindex.stored_text.find_spec", lambda _: None)
    table = pa.table({"run": [1], "event": [2]})
    for data in (as_parquet(table), as_arrow(table), pa.compress(b"1 2\n", "zstd").to_pybytes()):
        assert "needs pyarrow: pip install 'eventindex[parquet]'" in refusal(data)
    assert read(gzip.compress(b"1 2\n")) == ([(1, 2)], [])
