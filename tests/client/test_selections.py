"""Selections and files that the client checks before they are sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from eventindex import EventColumns, RawFile, mask_of
from eventindex.columns import serialize
from eventindex.numbers import to_bits, to_numbers
from eventindex.selection import to_selection
from tests.support.client import fuid
from tests.support.containers import MASKED, with_columns


@pytest.mark.parametrize(
    "selection",
    [
        {"run": np.ma.masked},
        {"run": np.ma.array(4, mask=True)},
        {"runs": (pd.NA, 5)},
        {"events": (None, np.nan)},
        {"events": (1, MASKED[2])},
        {"olt_all": True},
        {"olt_any": np.timedelta64(1, "s")},
        {"olt_none": 1.0},
        {"olt_none": -1},
        {"file": b"x"},
    ],
    ids=str,
)
def test_a_selection_names_what_is_no_number(selection: Any):
    """A masked or missing bound restricts nothing by accident: it is a ValueError with its name."""
    with pytest.raises(ValueError, match=f"^{next(iter(selection))} is "):
        to_selection(selection, None)


def test_a_selection_takes_integers_of_numpy():
    """Numbers may come out of an array, also one of no dimension, and masks have 64 bits."""
    made = to_selection({"run": np.array(4), "olt_all": np.uint64(2**64 - 1)}, None)
    assert (made.run_first, made.olt_all) == (4, 2**64 - 1)
    assert mask_of(pd.Series([0, 63])) == 2**63 + 1
    with pytest.raises(ValueError, match="bit is <NA>"):
        mask_of(pd.array([0, None], dtype="Int64"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (RawFile(fuid(1), np.ma.masked), "dsid_raw of file 0 is masked"),
        (RawFile(fuid(1), 7.5), "dsid_raw of file 0 is 7.5, not an integer"),
        (RawFile(fuid(1), True), "dsid_raw of file 0 is True"),
        (RawFile(fuid(1), 2**31), f"dsid_raw of file 0 is {2**31}, outside"),
        (RawFile(None, 7), "fuid_raw of file 0 is None, not a UUID"),
        (RawFile(b"x", 7), "fuid_raw of file 0 is b'x', not a UUID"),
    ],
)
def test_a_file_of_a_batch_is_checked(file: RawFile, text: str):
    """A file id or dataset of another type is named with the place of its file."""
    with pytest.raises(ValueError, match=text):
        serialize(1, EventColumns([file], 1, [1], [1]))


@pytest.mark.parametrize("run", [5, np.int32(5), np.array(5), [5], np.array([5, 5, 5])], ids=str)
def test_a_batch_takes_one_run_number_or_one_each(run: Any):
    """One number, one in a list, or one for each event."""
    assert serialize(1, with_columns(run_numbers=run)) == serialize(1, with_columns(run_numbers=5))


def test_bits_have_64_and_none_is_negative():
    """olt_results take 2^64-1 in every integer type that has it, and no sign."""
    whole = [2**64 - 1, 0, 1]
    for column in (
        whole,
        np.array(whole, np.uint64),
        np.array(whole, ">u8"),
        pa.array(whole, pa.uint64()),
        pd.array(whole, dtype="UInt64"),
    ):
        assert to_bits(column, "olt_result").tolist() == whole
        with pytest.raises(ValueError, match=f"event_number 0 is {2**64 - 1}, outside 0 to 2"):
            to_numbers(column, "event_number")
    with pytest.raises(ValueError, match="olt_result 1 is -1, outside 0 to 2"):
        to_bits(np.array([0, -1]), "olt_result")
