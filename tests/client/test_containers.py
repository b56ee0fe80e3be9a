"""Pairs and columns of events in the containers that people keep them in."""

from __future__ import annotations

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventindex.columns import serialize
from eventindex.numbers import to_bits, to_numbers
from eventindex.pairs import to_pairs
from tests.support.containers import MASKED, with_columns

RECORDS = np.array([(5, 1, 0.5), (6, 1, 0.5)], [("event_number", "i4"), ("run_number", "u2"),
                                               ("energy", "f4")])  # fmt: skip
# Columns of three that hold something at index 2 which is not a number, and how it is called there.
BAD_COLUMNS: dict[str, tuple[Any, str]] = {
    "masked": (MASKED, "2 is masked"),
    "masked as float": (MASKED.astype(float), "2 is masked"),
    "list of masked": (list(MASKED), "2 is masked"),
    "list with a masked array": ([4, 5, np.ma.array(6, mask=True)], "2 is masked"),
    "Int64 with NA": (pd.Series([4, 5, None], dtype="Int64"), "2 is missing"),
    "UInt32 with NA": (pd.array([4, 5, pd.NA], dtype="UInt32"), "2 is missing"),
    "Arrow-backed with NA": (pd.Series([4, 5, None], dtype="int64[pyarrow]"), "2 is missing"),
    "object with None": (pd.Series([4, 5, None], dtype=object), "2 is missing"),
    "object with NaN": (pd.Series([4, 5, np.nan], dtype=object), "2 is missing"),
    "object with NaT": (pd.Series([4, 5, pd.NaT], dtype=object), "2 is missing"),
    "float with NaN": (pd.Series([4, 5, None]), "2 is nan"),
    "infinite": (np.array([4, 5, np.inf]), "2 is inf"),
    "Arrow with null": (pa.array([4, 5, None]), "2 is missing"),
    "chunks with null": (pa.chunked_array([[4], [5, None]]), "2 is missing"),
    "dictionary with null": (pa.array([4, 5, None]).dictionary_encode(), "2 is missing"),
    "dictionary of null": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array([4, 5, None])),
        "2 is (nan|missing)",
    ),
    "object array": (np.array([4, 5, None], object), "2 is None"),
    "list with None": ([4, 5, None], "2 is None"),
    "list with NA": ([4, 5, pd.NA], "2 is <NA>"),
    "list with NaN": ([4, 5, float("nan")], "2 is nan"),
    "list with a fraction": ([4, 5, 6.5], "2 is 6.5"),
    "list with a float": ([4, 5, 2.0**53], "2 is 9007199254740992.0"),
    "list with a boolean": ([4, 5, True], "2 is True"),
    "list with NumPy's boolean": ([4, 5, np.True_], "2 is np.True_"),
    "list with a duration": ([4, 5, np.timedelta64(6, "s")], "2 is np.timedelta64"),
    "list with text": ([4, 5, "6"], "2 is '6'"),
    "list with a list": ([4, 5, [6]], r"2 is \[6\]"),
    "list with a decimal": ([4, 5, Decimal(6)], "2 is Decimal"),
    "below zero": (np.array([4, 5, -1], np.int8), "2 is -1, outside"),
    "below zero, big-endian": (np.array([4, 5, -1], ">i4"), "2 is -1, outside"),
    "Arrow below zero": (pa.array([4, 5, -1]), "2 is -1, outside"),
    "longer than 64 bits": ([4, 5, 2**70], f"2 is {2**70}, outside"),
}  # fmt: skip
# Columns that are of another kind from their first value on.
OTHER_COLUMNS: dict[str, tuple[Any, str]] = {
    "whole floats": (np.array([4.0, 5.0]), "0 is 4.0, not an integer"),
    "booleans": (np.array([True, False]), "0 is True"),
    "nullable booleans": (pd.array([True, False]), "0 is True"),
    "Arrow booleans": (pa.array([True, False]), "0 is True"),
    "times": (np.array(["2026-01-01"], "M8[s]"), "0 is datetime"),
    "durations": (np.array([4], "m8[s]"), "0 is datetime.timedelta"),
    "texts": (np.array(["4", "5"]), "0 is '4'"),
    "bytes": (np.array([b"4"]), "0 is b'4'"),
    "Arrow texts": (pa.array(["4"]), "0 is '4'"),
    "decimals": (pa.array([Decimal(4)]), "0 is Decimal"),
    "complex numbers": (np.array([4 + 0j]), "0 is"),
    "records": (RECORDS, r"0 is \(5, 1, 0.5\)"),
    "a number": (np.array(4), r"one dimension, not shape \(\)"),
    "a table": (np.ones((2, 2), int), r"one dimension, not shape \(2, 2\)"),
    "a masked table": (np.ma.ones((2, 2), int), r"one dimension, not shape \(2, 2\)"),
    "a text": ("45", r"one dimension, not shape \(\)"),
    "nothing": (None, r"one dimension, not shape \(\)"),
}
GOOD_COLUMNS: dict[str, Any] = {
    "list": [4, 5],
    "tuple of NumPy integers": (np.uint8(4), np.int64(5)),
    "list of arrays of one": [np.array(4), np.array(5)],
    "range": range(4, 6),
    "big-endian": np.array([4, 5], ">u8"),
    "strided": np.array([4, 0, 5, 0], np.int16)[::2],
    "unmasked": np.ma.array([4, 5], mask=[False, False]),
    "objects": np.array([4, 5], object),
    "series": pd.Series([4, 5], index=[7, 7]),
    "Int64": pd.Series([4, 5], dtype="Int64"),
    "Arrow-backed": pd.Series([4, 5], dtype="uint64[pyarrow]"),
    "category": pd.Series([4, 5], dtype="category"),
    "index": pd.Index([4, 5]),
    "Arrow": pa.array([4, 5], pa.uint8()),
    "chunks": pa.chunked_array([[4], [5]]),
    "sliced Arrow": pa.array([None, 4, 5])[1:],
    "dictionary": pa.array([4, 5]).dictionary_encode(),
}


@pytest.mark.parametrize(("column", "text"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_what_is_missing_in_a_column_is_named_with_its_index(column: Any, text: str):
    """No container loses what it masks or misses on the way: ValueError with argument and index."""
    with pytest.raises(ValueError, match=f"^event_number.* {text}"):
        to_pairs([(1, value) for value in column] if isinstance(column, list) else (1, column))
    for name in ("run_number", "event_number", "file_index", "olt_result"):
        with pytest.raises(ValueError, match=f"{name} .*{text}"):
            serialize(1, with_columns(**{f"{name}s" if name != "file_index" else "file_indexes":
                                         column}))  # fmt: skip


@pytest.mark.parametrize(("column", "text"), OTHER_COLUMNS.values(), ids=OTHER_COLUMNS)
def test_a_column_of_another_kind_is_refused(column: Any, text: str):
    """Floats, booleans, times and texts are no event numbers, however whole they are."""
    with pytest.raises(ValueError, match=f"^event_number .*{text}"):
        to_numbers(column, "event_number")
    with pytest.raises(ValueError, match=f"^olt_result .*{text}"):
        to_bits(column, "olt_result")


@pytest.mark.parametrize("column", GOOD_COLUMNS.values(), ids=GOOD_COLUMNS)
def test_integers_are_taken_from_every_container(column: Any):
    """The same numbers come out of each container, as int64 and as uint64."""
    numbers, bits = to_numbers(column, "event_number"), to_bits(column, "olt_result")
    assert (numbers.dtype, bits.dtype) == (np.dtype(np.int64), np.dtype(np.uint64))
    assert numbers.tolist() == bits.tolist() == [4, 5]
    batch = with_columns(run_numbers=1, event_numbers=column, file_indexes=[1, 1],
                         olt_results=column)  # fmt: skip
    plain = with_columns(run_numbers=1, event_numbers=[4, 5], file_indexes=[1, 1],
                         olt_results=[4, 5])  # fmt: skip
    assert serialize(1, batch) == serialize(1, plain)


@pytest.mark.parametrize(
    "pairs",
    [
        pd.DataFrame({"event_number": [5, 6], "run_number": 1, "energy": [0.5, np.nan]}),
        pd.DataFrame({"event_number": [5, 6], "run_number": [1, 1]}, dtype="Int64"),
        pa.table({"event_number": [5, 6], "run_number": [1, 1]}),
        pa.record_batch({"event_number": [5, 6], "run_number": [1, 1]}),
        RECORDS,
        RECORDS.view(np.recarray),
        np.ma.array(RECORDS),
        np.array([[1, 5], [1, 6]], ">i8"),
        np.ma.array([[1, 5], [1, 6]]),
        [np.array([1, 5]), np.array([1, 6])],
        ([np.int8(1), 5], (np.uint64(1), 6)),
        np.array([[1, 5], [1, 6]], object),
        pd.MultiIndex.from_tuples([(1, 5), (1, 6)]),
        pd.Series([(1, 5), (1, 6)]),
        pa.array([[1, 5], [1, 6]]),
        (pa.scalar(1).as_py(), pa.array([5, 6])),
        (np.array(1), pa.chunked_array([[5], [6]])),
        (row for row in [(1, 5), (1, 6)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pairs_are_taken_from_every_container(pairs: Any):
    """Frames, tables and records are read by the names of their columns, whatever the order."""
    runs, events = to_pairs(pairs)
    assert (runs.tolist(), events.tolist()) == ([1, 1], [5, 6])
    assert runs.dtype == events.dtype == np.int64


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (np.ma.array([[1, 5], [1, 6]], mask=[[0, 0], [0, 1]]), "event_number 1 is masked"),
        (np.ma.array([[1, 5], [1, 6]], mask=[[0, 0], [1, 0]]), "run_number 1 is masked"),
        ([np.ma.array([1, 5], mask=[0, 1])], "event_number 0 is masked"),
        ([(1, 5), (1, np.ma.masked)], "event_number 1 is masked"),
        ((MASKED, np.array([1, 2, 3])), "run_number 2 is masked"),
        ((np.ma.array(4, mask=True), np.array([1])), "run_number 0 is masked"),
        ((np.ma.masked, np.array([1])), "run_number 0 is masked"),
        (np.ma.array(RECORDS, mask=[(0, 0, 0), (1, 0, 0)]), "event_number 1 is masked"),
        (pd.DataFrame({"run_number": [1, None], "event_number": [5, 6]}, dtype="Int64"),
         "run_number 1 is missing"),
        (pd.DataFrame({"run_number": [1, None], "event_number": [5, 6]}, dtype=object),
         "run_number 1 is missing"),
        (pd.DataFrame({"run_number": [1, None], "event_number": [5, 6]}), "run_number 1 is nan"),
        (pd.DataFrame([[1, 5, 6]], columns=["run_number", "event_number", "event_number"]),
         "twice the column 'event_number'"),
        (pa.table({"run_number": [1, None], "event_number": [5, 6]}), "run_number 1 is missing"),
        (pa.record_batch({"run_number": [1, 2], "event_number": [5, None]}),
         "event_number 1 is missing"),
        (pa.table({"run": [1]}), "no column 'run_number'"),
        (np.array([(1, 5)], [("run", "i8"), ("event", "i8")]), "no column 'run_number'"),
        (list(RECORDS[["event_number", "run_number"]]), "pair 0 is .*, not"),
        (pa.array([[1, 5], None]), "pair 1 is None"),
        (pa.array([[1, 5], [1, None]]), "event_number 1 is None"),
        (pa.array([{"run_number": 1, "event_number": 5}]), "pair 0 is {"),
        ([(1, 5), (True, 6)], "run_number 1 is True"),
        ([(1, 5), {1, 6}], "pair 1 is {1, 6}"),
        ({"run_number": [1], "event_number": [5]}, "pair 0 is 'run_number'"),
        (pd.MultiIndex.from_tuples([(1, 5), (1, None)]), "event_number 1 is nan"),
        (np.array([(1, 5)], object), None),
        (np.array(5), r"not \(\)"),
    ],
)  # fmt: skip
def test_pairs_lose_nothing_on_the_way(pairs: Any, text: str | None):
    """A mask, a null or a record by position never becomes a pair that nobody meant."""
    if text is None:
        assert to_pairs(pairs).events.tolist() == [5]
        return
    with pytest.raises(ValueError, match=text):
        to_pairs(pairs)


@given(
    st.lists(st.one_of(st.integers(0, 2**63 - 1), st.none()), min_size=1, max_size=20),
    st.sampled_from(["masked", "Int64", "object", "Arrow", "chunks", "list", "table"]),
)
def test_a_column_is_taken_whole_or_named(values: list[int | None], form: str):
    """Whatever the container and wherever the gaps: every number unchanged, or the first gap."""
    column = {
        "masked": lambda: np.ma.array([v or 0 for v in values], mask=[v is None for v in values]),
        "Int64": lambda: pd.array(values, dtype="Int64"),
        "object": lambda: pd.Series(values, dtype=object),
        "Arrow": lambda: pa.array(values, pa.int64()),
        "chunks": lambda: pa.chunked_array([values[:3], values[3:]], pa.int64()),
        "list": lambda: values,
        "table": lambda: pa.table({"x": pa.array(values, pa.uint64())})["x"],
    }[form]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if None in values:
            with pytest.raises(ValueError, match=f"^event_number {values.index(None)} is "):
                to_numbers(column, "event_number")
        else:
            assert to_numbers(column, "event_number").tolist() == values
