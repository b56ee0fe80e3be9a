"""Long text of two numbers a line and one separator, read as CSV by pyarrow. Pure."""

from __future__ import annotations

from eventindex.pair_lists.columns import Columns
from eventindex.pairs import Pairs
from eventindex.stored_text import pyarrow_is_loaded

# Shorter text is read as soon without it.
_BYTES_MIN = 4 * 1024
_DELIMITERS = (b",", b"\t", b" ")
# Where the first line is looked for.
_LINE_BYTES_MAX = 64
_MAY_STAND = b"0123456789\r\n"
_NAMES = ("first", "second")


def read_plain(text: bytes, columns: Columns) -> Pairs | None:
    """Return the pairs of whole lines; None where one of them is not so plain."""
    if len(text) < _BYTES_MIN or not columns.of_two or not pyarrow_is_loaded():
        return None
    delimiter = next((one for one in _DELIMITERS if one in text[:_LINE_BYTES_MAX]), b"")
    if not delimiter or columns.delimiter not in {None, delimiter.decode()}:
        return None
    # pyarrow would take signs, quotes and hexadecimal numbers.
    if text.translate(None, _MAY_STAND + delimiter) or text.count(b"\r") != text.count(b"\r\n"):
        return None
    import pyarrow as pa  # noqa: PLC0415  # may lack
    from pyarrow import csv  # noqa: PLC0415  # may lack

    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(
                column_names=_NAMES, use_threads=False, block_size=len(text) + 1
            ),
            parse_options=csv.ParseOptions(delimiter=delimiter.decode(), quote_char=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(_NAMES, pa.int64())),
        )
    except pa.ArrowInvalid:
        return None
    if any(column.null_count for column in table.columns):
        return None
    numbers = [column.to_numpy() for column in table.columns]
    return Pairs(numbers[columns.run], numbers[columns.event])
