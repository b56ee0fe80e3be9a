"""Lists of pairs as tables: Parquet, Arrow files and Arrow streams, by the names of columns.

Needs pyarrow. A table waits on disk and is read in batches; only its two columns are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from eventindex.pair_lists import columns as pair_columns
from eventindex.pair_lists.columns import Columns, PairListError
from eventindex.pair_lists.lines import BadLine, PairBlock
from eventindex.pair_lists.source import BLOCK_BYTES, Grown, Kind, Readable
from eventindex.pairs import Int64, Pairs
from eventindex.stored_text import has_pyarrow, needs_pyarrow

_BATCH_ROWS = 65_536
_NAMES = ("run_number", "event_number")


def read_table(
    source: Readable, kind: Kind, columns: Columns | None, grown: Grown | None
) -> Iterator[PairBlock]:
    """Yield the pairs of a table; a row that is none is named by its number from 1.

    Raises:
        PairListError: pyarrow is not installed, the table is damaged, or it has no two columns of
            integers that are named as those of a list.
    """
    if not has_pyarrow():
        raise PairListError(needs_pyarrow(f"a list in {kind.value}"))
    import pyarrow as pa  # noqa: PLC0415  # may be missing

    with _on_disk(source) as file:
        row = 1
        try:
            for runs, events in _batches(file, kind, columns, grown):
                yield _block(runs, events, row)
                row += len(runs)
        except PairListError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            first = str(error).partition("\n")[0]
            raise PairListError(f"a damaged list in {kind.value}: {first}") from error


def read_rows(source: Readable, kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield the rows of a small table, whatever its columns are.

    Raises:
        PairListError: pyarrow is not installed, or the table is damaged.
    """
    if not has_pyarrow():
        raise PairListError(needs_pyarrow(f"a list in {kind.value}"))
    import pyarrow as pa  # noqa: PLC0415  # may be missing
    from pyarrow import ipc, parquet  # noqa: PLC0415  # may be missing

    with _on_disk(source) as file:
        try:
            if kind is Kind.PARQUET:
                batches = parquet.ParquetFile(file).iter_batches(_BATCH_ROWS)
            else:
                opened = ipc.open_file if kind is Kind.ARROW_FILE else ipc.open_stream
                batches = opened(file).read_all().to_batches(_BATCH_ROWS)
            for batch in batches:
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            first = str(error).partition("\n")[0]
            raise PairListError(f"a damaged list in {kind.value}: {first}") from error


@contextmanager
def _on_disk(source: Readable) -> Iterator[BinaryIO]:
    """Make a copy that can be read from any place; tables are read from their end."""
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy, BLOCK_BYTES)
        copy.seek(0)
        yield copy


def _batches(
    file: BinaryIO, kind: Kind, columns: Columns | None, grown: Grown | None
) -> Iterator[tuple[Any, Any]]:
    """Yield both columns, a batch at a time."""
    if kind is Kind.PARQUET:
        yield from _of_parquet(file, columns, grown)
        return
    from pyarrow import ipc  # noqa: PLC0415  # may be missing

    if grown is not None:
        from eventindex.pair_lists.arrow_sizes import expanded_sizes  # noqa: PLC0415  # needs pyarrow

        for size in expanded_sizes(file, is_file=kind is Kind.ARROW_FILE):
            grown(size)
        file.seek(0)
    opened = ipc.open_file if kind is Kind.ARROW_FILE else ipc.open_stream
    schema = opened(file).schema
    places = _places(schema, columns)
    file.seek(0)
    # The two columns come in the order of the schema.
    reader = opened(file, options=ipc.IpcReadOptions(included_fields=sorted(places)))
    order = (0, 1) if places[0] < places[1] else (1, 0)
    batches = (
        map(reader.get_batch, range(reader.num_record_batches))
        if kind is Kind.ARROW_FILE
        else reader
    )
    for batch in batches:
        batch.validate(full=True)
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(start, _BATCH_ROWS)
            yield part.column(order[0]), part.column(order[1])


def _of_parquet(
    file: BinaryIO, columns: Columns | None, grown: Grown | None
) -> Iterator[tuple[Any, Any]]:
    from pyarrow import parquet  # noqa: PLC0415  # may be missing

    opened = parquet.ParquetFile(file)
    schema = opened.schema_arrow
    places = _places(schema, columns)
    names = [schema.names[place] for place in places]
    if grown is not None:
        meta = opened.metadata
        for group in map(meta.row_group, range(meta.num_row_groups)):
            chunks = map(group.column, range(group.num_columns))
            grown(sum(c.total_uncompressed_size for c in chunks if c.path_in_schema in names))
    for batch in opened.iter_batches(_BATCH_ROWS, columns=names):
        yield batch.column(names[0]), batch.column(names[1])


def _places(schema: Any, columns: Columns | None) -> tuple[int, int]:
    """Return where the run and the event number are.

    Raises:
        PairListError: the columns are not there, are there twice, or hold no integers.
    """
    names = list(schema.names)
    if columns is not None and len(names) < columns.width:
        raise PairListError(f"the table has {len(names)} columns, not {columns.width}")
    found = columns or pair_columns.of_names(names)
    if found is None:
        known = ", ".join(map(repr, names))[:200]
        raise PairListError(f"no two columns are named as run and event number: {known}")
    for place in (found.run, found.event):
        _check_type(schema.field(place))
    return found.run, found.event


def _check_type(field: Any) -> None:
    from pyarrow import types  # noqa: PLC0415  # may be missing

    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    whole = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale == 0)
    if not whole and not types.is_null(kind):
        raise PairListError(f"column {field.name!r} is {field.type}: a list has integers")


def _block(runs: Any, events: Any, first_row: int) -> PairBlock:
    """Return a batch as pairs; rows with a null or a number out of range are named."""
    run_numbers, good_runs = _numbers(runs)
    event_numbers, good_events = _numbers(events)
    good = good_runs & good_events
    if good.all():
        return PairBlock(Pairs(run_numbers, event_numbers))
    bad = []
    for place in np.flatnonzero(~good).tolist():
        run, event = runs[place].as_py(), events[place].as_py()
        nothing = run is None or event is None
        reason = "no number" if nothing else "outside 0 to 2^63-1"
        which = "pair"
        if good_runs[place] or good_events[place]:
            which = _NAMES[bool(good_runs[place])]
        text = " ".join("null" if each is None else str(each) for each in (run, event))
        bad.append(BadLine(first_row + place, text, reason, which, "row"))
    return PairBlock(Pairs(run_numbers[good], event_numbers[good]), bad)


def _numbers(column: Any) -> tuple[Int64, Any]:
    """Return a column as int64 and which of its rows are numbers of a list; the others are 0."""
    import pyarrow as pa  # noqa: PLC0415  # may be missing
    from pyarrow import types  # noqa: PLC0415  # may be missing

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    good = np.asarray(column.is_valid())
    if types.is_decimal(column.type):
        values = [-1 if value is None else int(value) for value in column.to_pylist()]
        fits = [0 <= value < 2**63 for value in values]
        numbers = [value if each else 0 for value, each in zip(values, fits, strict=True)]
        return np.array(numbers, np.int64), good & np.array(fits, bool)
    if types.is_null(column.type):
        return np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    whole = column if column.null_count == 0 else column.fill_null(pa.scalar(0, column.type))
    numbers = whole.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    # A uint64 of 2^63 and more is negative as int64.
    return numbers, good & (numbers >= 0)
