"""Lists of pairs as they come in a body: in every form of the command line, or JSON.

Over a stream of bytes; holds a block of it. Tables wait on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO

import ijson
import numpy as np

from eventindex.pair_lists.source import Grown, Readable, open_source
from eventindex.pair_lists.text import BadLine, Columns, PairListError, parse_columns, read_pairs
from eventindex.pairs import NUMBER_MAX, Pairs
from rest_gateway.lists.negotiate import BodyKind
from rest_gateway.problems import Problem, invalid, short

_BLOCK_PAIRS = 20_000
_JSON_BUFFER_BYTES = 256 * 1024
_NAMES = ("run_number", "event_number")

_STRING_BYTES_MAX = 64 * 1024
_IN_STRING = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)

# Python converts up to 4,300 digits. Digits as 0, all else as a space.
_LONG_NUMBER = b"0" * 1000
_DIGITS = bytes(
    ord("0") if chr(byte).isascii() and chr(byte).isdigit() else 32 for byte in range(256)
)

PairError = dict[str, Any]


@dataclass(slots=True)
class ListBlock:
    """Some consecutive pairs of a list, and what stood among them that is none."""

    pairs: Pairs
    errors: list[PairError] = field(default_factory=list)


def list_columns(text: str | None) -> Columns | None:
    """Return what the parameter `columns` says.

    Raises:
        Problem: 400, it is not as `run,-,event`.
    """
    try:
        return None if text is None else parse_columns(text)
    except ValueError as error:
        raise invalid(f"columns: {error}", field="columns", value=text) from error


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
            yield from _read_json(open_source(stream, grown)[0], columns or Columns())
            return
        for block in read_pairs(stream, columns, grown=grown):
            yield ListBlock(block.pairs, [_line_error(line) for line in block.bad_lines])
    except PairListError as error:
        raise Problem(400, "invalid-list", f"the list cannot be read: {error}") from error


def _line_error(line: BadLine) -> PairError:
    return {
        "line": line.number,
        "field": line.field,
        "value": line.text,
        "detail": line.reason,
    }


class _ShortStrings:
    """Refuses strings that are no name of a field: the parser holds one whole, twice."""

    def __init__(self) -> None:
        self._length: int | None = None
        self._escaped = False

    def look_at(self, piece: bytes) -> None:
        """Look at the next bytes of a document.

        Raises:
            Problem: 400, a string is too long.
        """
        at = 0
        while at < len(piece):
            if self._length is None:
                at = piece.find(b'"', at) + 1
                if not at:
                    return
                self._length, self._escaped = 0, False
                continue
            match = _IN_STRING.match(piece, at + self._escaped)
            assert match is not None  # noqa: S101  # it matches nothing as well
            self._length += match.end() - at
            self._escaped, at = match.end() == len(piece) - 1 and piece[-1:] == b"\\", match.end()
            if self._length > _STRING_BYTES_MAX:
                raise invalid(f"there is a string of {_STRING_BYTES_MAX:,} bytes or more")
            if self._escaped:
                return
            if at < len(piece):
                self._length, at = None, at + 1


class _ShortNumbers:
    """A stream that refuses numbers which Python does not convert: the parser dies of them."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._tail = b""
        self._strings = _ShortStrings()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            Problem: 400, too many digits in a row, or a string that is too long.
        """
        piece = self._stream.read(size)
        self._strings.look_at(piece)
        text = self._tail + piece.translate(_DIGITS)
        if _LONG_NUMBER in text:
            raise invalid(
                f"there is a number of {len(_LONG_NUMBER):,} digits or more", field="pairs"
            )
        self._tail = text[-len(_LONG_NUMBER) :]
        return piece


def _read_json(stream: Readable, columns: Columns) -> Iterator[ListBlock]:
    try:
        events = ijson.basic_parse(_ShortNumbers(stream), buf_size=_JSON_BUFFER_BYTES)
        yield from _json_blocks(_json_items(events, columns), columns)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise invalid(f"the body is not JSON: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()


def _json_blocks(items: Iterator[object], columns: Columns) -> Iterator[ListBlock]:
    """Check each pair and collect blocks."""
    good: list[tuple[int, int]] = []
    errors: list[PairError] = []
    for index, item in enumerate(items):
        pair = _json_numbers(index, item, columns)
        if isinstance(pair, tuple):
            good.append(pair)
        else:
            errors.append(pair)
        if len(good) + len(errors) >= _BLOCK_PAIRS:
            yield _block(good, errors)
            good, errors = [], []
    if good or errors:
        yield _block(good, errors)


def _block(good: list[tuple[int, int]], errors: list[PairError]) -> ListBlock:
    table = np.array(good, np.int64).reshape(-1, 2)
    return ListBlock(Pairs(table[:, 0], table[:, 1]), errors)


def _json_numbers(index: int, item: object, columns: Columns) -> tuple[int, int] | PairError:
    """Return the two numbers of one element of `pairs`, or what is wrong with it."""
    picked = columns.pick(item) if isinstance(item, list) else None
    if picked is None:
        detail, field = "not [run, event]", "pair"
        if columns.by_hand:
            detail = f"not an array of {columns.width} values, as columns says"
        elif isinstance(item, list) and len(item) > 2:
            detail, field = f"{detail}: columns=run,-,event says which two count", "columns"
        pointer = f"/pairs/{index}"
        return {"pointer": pointer, "field": field, "value": short(item), "detail": detail}
    places = (columns.run, columns.event)
    for name, place, value in zip(_NAMES, places, picked, strict=True):
        if type(value) is int and 0 <= value <= NUMBER_MAX:
            continue
        detail = "outside 0 to 2^63-1" if type(value) is int else "not an integer"
        return {
            "pointer": f"/pairs/{index}/{place}",
            "field": name,
            "value": short(str(value) if isinstance(value, int | Decimal) else value),
            "detail": detail,
        }
    return picked


def _json_items(events: Iterator[tuple[str, Any]], columns: Columns) -> Iterator[object]:
    """Yield the elements of `pairs` and see that the object around them holds nothing else.

    An element that is deeper than a pair comes as the text of what is wrong about it.
    """
    if next(events, ("", None))[0] != "start_map":
        raise invalid('the body is not an object: {"pairs": [[run, event], …]}')
    seen = False
    for event, value in events:
        if event == "end_map":
            break
        if value != "pairs":
            raise invalid(f"unknown field {short(value)!r}", field=short(value), value=value)
        if seen:
            raise invalid("the field 'pairs' is there twice", field="pairs")
        seen = True
        if next(events)[0] != "start_array":
            raise invalid("pairs is not an array of [run, event]", field="pairs")
        yield from _json_elements(events, columns.width + 1)
    if not seen:
        raise invalid("the field 'pairs' is missing", field="pairs")
    for _ in events:  # reads to the end: anything behind the object is an error of the parser
        pass


def _json_elements(events: Iterator[tuple[str, Any]], values_max: int) -> Iterator[object]:
    """Yield what stands in the array up to its end."""
    for event, value in events:
        if event == "start_array":
            yield _json_pair(events, values_max)
        elif event == "start_map":
            _skip(events)
            yield "an object"
        elif event == "end_array":
            return
        else:
            yield value


def _json_pair(events: Iterator[tuple[str, Any]], values_max: int) -> list[object]:
    """Return the values of one inner array; of a long one the first."""
    values: list[object] = []
    for event, value in events:
        if event == "end_array":
            break
        if event in {"start_array", "start_map"}:
            _skip(events)
            values.append("an array or object")
        elif len(values) < values_max:
            values.append(value)
    return values


def _skip(events: Iterator[tuple[str, Any]]) -> None:
    """Read past what was just opened."""
    depth = 1
    for event, _ in events:
        if event in {"start_array", "start_map"}:
            depth += 1
        elif event in {"end_array", "end_map"}:
            depth -= 1
            if not depth:
                return
