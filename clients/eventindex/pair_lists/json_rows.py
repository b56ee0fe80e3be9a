"""Long text of JSON objects that all have the same fields, one a line, read by msgspec. Pure."""

from __future__ import annotations

import json
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from eventindex.pair_lists import columns as pair_columns
from eventindex.pairs import Pairs

try:
    import msgspec
except ModuleNotFoundError:  # the services have it, a client need not
    msgspec = None  # type: ignore[assignment]

# Shorter text is read as soon line by line.
_BYTES_MIN = 1024
_FIELDS_MAX = 64
_RUN, _EVENT = map(attrgetter, ("run", "event"))


def read_objects(text: bytes, line_bytes_max: int) -> Pairs | None:
    """Return the pairs of whole lines; None where one of them is not as the first one.

    Raises:
        PairListError: two fields of the first line may both be the same number.
    """
    first, end, _ = text.partition(b"\n")
    if msgspec is None or len(text) < _BYTES_MIN or not end:
        return None
    decoder = _decoder(_names(first))
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if decoder is None or np.diff(ends, prepend=-1).max() > line_bytes_max:
        return None
    try:
        # Objects of an array, one a line.
        rows = decoder.decode_lines(text.replace(b"},\n", b"}\n"))
        columns = [np.fromiter(map(get, rows), np.int64, len(rows)) for get in (_RUN, _EVENT)]
    except (msgspec.DecodeError, OverflowError, RecursionError, UnicodeDecodeError):
        return None
    # No blank lines and no two objects on one: lines are counted by their ends.
    if len(rows) != len(ends) or min(column.min() for column in columns) < 0:
        return None
    return Pairs(*columns)


def _names(line: bytes) -> tuple[str, ...]:
    """Return the names of the fields of an object; none where it is not one."""
    try:
        record = json.loads(line.rstrip().removesuffix(b","))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(record, dict) or len(record) > _FIELDS_MAX:
        return ()
    return tuple(record) if "".join(record).isascii() else ()


@lru_cache(maxsize=64)
def _decoder(names: tuple[str, ...]) -> Any:
    """Return what reads objects of exactly these fields; None where no two are run and event."""
    found = pair_columns.of_names(names)
    if found is None:
        return None
    kinds = {found.run: ("run", int), found.event: ("event", int)}
    fields = [kinds.get(at, (f"other_{at}", msgspec.Raw)) for at in range(len(names))]
    row = msgspec.defstruct(
        "Row",
        fields,
        rename={own: name for (own, _), name in zip(fields, names, strict=True)},
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(row)
