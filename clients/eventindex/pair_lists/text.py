"""Lists of pairs as people have them: text in many forms and encodings, compressed or not, and
tables of Parquet and Arrow.

Reads a stream once, in blocks, as soon as they come. Every line is a pair or is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from eventindex.pair_lists.columns import Columns, PairListError, parse_columns
from eventindex.pair_lists.lines import LINE_BYTES_MAX, BadLine, LineReader, PairBlock, parse_block
from eventindex.pair_lists.source import (
    BLOCK_BYTES,
    Grown,
    Kind,
    Readable,
    binary_trouble,
    open_source,
)

__all__ = [
    "BadLine",
    "Columns",
    "PairBlock",
    "PairListError",
    "parse_block",
    "parse_columns",
    "read_pairs",
]


def read_pairs(
    stream: BinaryIO, columns: Columns | None = None, *, grown: Grown | None = None
) -> Iterator[PairBlock]:
    """Yield the pairs of a list in blocks of up to 100,000, as soon as they can be read.

    A header says which column is which, or the names of the columns of a table; without one the
    run comes first.

    Args:
        stream: a binary file, read from where it is.
        columns: which columns hold the numbers, see `parse_columns`.
        grown: is told the sizes of what is made of compressed data, in bytes, and raises when it
            is too much.

    Raises:
        PairListError: the list cannot be read at all, or not to its end.
    """
    source, kind = open_source(stream, grown)
    if kind is not Kind.TEXT:
        from eventindex.pair_lists.tables import read_table  # noqa: PLC0415  # needs pyarrow

        yield from read_table(source, kind, columns, grown)
        return
    lines = LineReader(columns)
    any_pair = False
    for text in _whole_lines(source):
        block = lines.read(text)
        any_pair = any_pair or len(block.pairs.runs) > 0
        if block.bad_lines and (trouble := binary_trouble(text, any_pair=any_pair)):
            raise PairListError(trouble)
        yield block


def _whole_lines(stream: Readable) -> Iterator[bytes]:
    """Yield whole lines as they come, each with its end: LF, CR LF or CR.

    A slow pipe need not fill a block. A CR at the end of what has come ends its line; an LF that
    comes behind it later belongs to it.
    """
    rest = b""
    after_return = False
    while block := stream.read1(BLOCK_BYTES):
        if after_return:
            block = block.removeprefix(b"\n")  # the other half of a line end
            after_return = False
        end = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
            after_return = block.endswith(b"\r")
        else:
            # A line without end is no pair; what is kept of it is enough to say so.
            rest = (rest + block)[: 2 * LINE_BYTES_MAX]
    if rest:
        yield rest + b"\n"
