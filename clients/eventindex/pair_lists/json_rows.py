"""Long text of flat JSON objects with the same fields, one a line, read by pyarrow. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from eventindex.pair_lists import columns as pair_columns
from eventindex.pairs import Pairs
from eventindex.stored_text import pyarrow_is_loaded

# Shorter text is read as soon line by line.
_BYTES_MIN = 1024


def read_objects(text: bytes, line_bytes_max: int) -> Pairs | None:
    """Return the pairs of whole lines; None where one of them is not as the first one.

    Raises:
        PairListError: two fields of the first line may both be the same number.
    """
    first, end, _ = text.partition(b"\n")
    if not end or len(text) < _BYTES_MIN or not pyarrow_is_loaded():
        return None
    names = _names(first)
    found = pair_columns.of_names(names)
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    # Nothing is nested: Arrow's parser goes as deep as the text does.
    flat = text.count(b"{") == len(ends) and b"[" not in text
    if found is None or not flat or np.diff(ends, prepend=-1).max() > line_bytes_max:
        return None
    return _pairs(text, names, (names[found.run], names[found.event]))


def _pairs(text: bytes, names: Sequence[str], wanted: Sequence[str]) -> Pairs | None:
    import pyarrow as pa  # noqa: PLC0415  # may lack
    from pyarrow import json as arrow_json  # noqa: PLC0415  # may lack

    try:
        table = arrow_json.read_json(
            # Objects of an array, one a line.
            pa.BufferReader(text.replace(b"},\n", b"}\n")),
            arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            arrow_json.ParseOptions(explicit_schema=pa.schema([(n, pa.int64()) for n in wanted])),
        )
    except pa.ArrowInvalid:
        return None
    # Other fields than those of the first line may be the numbers as well.
    if table.num_rows != text.count(b"\n") or set(table.column_names) != set(names):
        return None
    columns = [table[name] for name in wanted]
    if any(column.null_count for column in columns):
        return None
    numbers = [column.to_numpy() for column in columns]
    return None if min(column.min() for column in numbers) < 0 else Pairs(*numbers)


def _names(line: bytes) -> Sequence[str]:
    """Return the names of the fields of an object; none where it is not one."""
    try:
        record = json.loads(line.rstrip().removesuffix(b","))
    except (ValueError, RecursionError):
        return ()
    return tuple(record) if isinstance(record, dict) else ()
