"""Lists of pairs as they come in a body: in every form of the command line, or JSON.

Over a stream of bytes; holds a block of it. Tables wait on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from eventindex.pair_lists.source import Grown, open_source
from eventindex.pair_lists.text import BadLine, Columns, PairListError, parse_columns, read_pairs
from eventindex.told import told
from rest_gateway.lists.block import ListBlock, PairError
from rest_gateway.lists.json_lists import read_json
from rest_gateway.lists.negotiate import BodyKind
from rest_gateway.problems import Problem, invalid


def list_columns(text: str | None) -> Columns | None:
    """Return what the parameter `columns` says.

    Raises:
        Problem: 400, it is not as `run,-,event`.
    """
    try:
        return None if text is None else parse_columns(text)
    except ValueError as error:
        raise invalid(
            told("COLUMNS_WRONG", "columns: {problem}", problem=error), field="columns", value=text
        ) from error


def read_list(
    stream: BinaryIO, kind: BodyKind, columns: Columns | None, grown: Grown
) -> Iterator[ListBlock]:
    """Yield the pairs of a body in blocks of up to 100,000, as soon as they can be read.

    Args:
        stream, kind: the body.
        columns: which columns, or elements of JSON's arrays, are run and event.
        grown: is told what is made of compressed data, in bytes; raises when it is too much.

    Raises:
        Problem: 400, the body is not JSON, not `{"pairs": […]}`, or no list at all; or by `grown`.
    """
    try:
        if kind is BodyKind.JSON:
            yield from read_json(open_source(stream, grown)[0], columns or Columns())
            return
        for block in read_pairs(stream, columns, grown=grown):
            yield ListBlock(block.pairs, [_line_error(line) for line in block.bad_lines])
    except PairListError as error:
        raise Problem(
            400,
            "invalid-list",
            told("LIST_UNREADABLE", "the list cannot be read: {problem}", problem=error),
        ) from error


def _line_error(line: BadLine) -> PairError:
    return {
        "line": line.number,
        "field": line.field,
        "value": line.text,
        "detail": line.reason,
    }
