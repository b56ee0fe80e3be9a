"""Lists of pairs as JSON: `{"pairs": [[run, event], …]}`, piece by piece.

Regular pieces are read by msgspec. From the first one that is not, ijson goes on: it finds what is
wrong, and where. Holds a piece of the document.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import ijson
import msgspec
import numpy as np

from eventindex.limits import NUMBER_MAX
from eventindex.pair_lists.text import Columns
from eventindex.pairs import Pairs
from eventindex.told import told
from rest_gateway.lists.block import ListBlock, PairError
from rest_gateway.lists.json_limits import Pieces, ShortNumbers
from rest_gateway.problems import invalid, short

_BLOCK_PAIRS = 20_000
_PIECE_BYTES = 256 * 1024
_NAMES = ("run_number", "event_number")

_HEAD = re.compile(rb'\s*\{\s*"pairs"\s*:\s*\[')
_HEAD_BYTES_MAX = 1024
_REGULAR = msgspec.json.Decoder(list[tuple[int, int]])
_READ_BEFORE = b'{"pairs":[[0,0],'


def read_json(stream: Pieces, columns: Columns) -> Iterator[ListBlock]:
    """Yield the pairs of a document in blocks of up to 100,000.

    Raises:
        Problem: 400, it is not JSON or not `{"pairs": […]}`.
    """
    checked = ShortNumbers(stream)
    start, index = b"", 0
    if not columns.by_hand:
        start, index = yield from _regular_blocks(checked)
    try:
        events = ijson.basic_parse(_Rest(start, checked), buf_size=_PIECE_BYTES)
        items = _json_items(events, columns)
        if index:
            items, index = islice(items, 1, None), index - 1
        yield from _json_blocks(items, columns, index)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise invalid(
            told("BODY_NO_JSON", "the body is not JSON: {problem}", problem=_first_line(error))
        ) from error


def _regular_blocks(stream: Pieces) -> Generator[ListBlock, None, tuple[bytes, int]]:
    """Yield the pairs that are as they should be.

    Returns:
        The document from the first other one on, as one of its own, and the index of that element
        where something was read: its document has one element before it.
    """
    text = b""
    while not (match := _HEAD.match(text)) and len(text) <= _HEAD_BYTES_MAX:
        piece = stream.read(_PIECE_BYTES)
        if not piece:
            break
        text += piece
    if not match:
        return text, 0
    rest, count = text[match.end() :], 0
    while len(rest) <= 2 * _PIECE_BYTES:
        end = rest.rfind(b"],") + 1
        if end:
            pairs = _regular_pairs(rest[:end])
            if pairs is None:
                break
            yield ListBlock(pairs)
            rest, count = rest[end + 1 :], count + len(pairs.runs)
        piece = stream.read(_PIECE_BYTES)
        if not piece:
            break
        rest += piece
    return (_READ_BEFORE + rest, count + 1) if count else (text[: match.end()] + rest, 0)


def _regular_pairs(elements: bytes) -> Pairs | None:
    """Return elements that are all [run, event]; None where one is not."""
    try:
        found = _REGULAR.decode(b"[" + elements + b"]")
        table = np.fromiter(chain.from_iterable(found), np.int64, 2 * len(found)).reshape(-1, 2)
    except (msgspec.DecodeError, OverflowError, RecursionError):
        return None
    return None if (table < 0).any() else Pairs(table[:, 0], table[:, 1])


class _Rest:
    """A stream behind bytes that were read from it."""

    def __init__(self, start: bytes, stream: Pieces) -> None:
        self._start, self._stream = start, stream

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if size and self._start:
            size = len(self._start) if size < 0 else size
            piece, self._start = self._start[:size], self._start[size:]
            return piece
        return self._stream.read(size)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()


def _json_blocks(items: Iterator[object], columns: Columns, first: int) -> Iterator[ListBlock]:
    """Check each pair, of which the first has an index, and collect blocks."""
    good: list[tuple[int, int]] = []
    errors: list[PairError] = []
    for index, item in enumerate(items, first):
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
        raise invalid(
            told("BODY_NO_PAIRS", 'the body is not an object: {{"pairs": [[run, event], …]}}')
        )
    seen = False
    for event, value in events:
        if event == "end_map":
            break
        if value != "pairs":
            raise invalid(
                told("BODY_FIELD_UNKNOWN", "unknown field {field}", field=repr(short(value))),
                field=short(value),
                value=value,
            )
        if seen:
            raise invalid(told("PAIRS_TWICE", "the field 'pairs' is there twice"), field="pairs")
        seen = True
        if next(events)[0] != "start_array":
            raise invalid(
                told("PAIRS_NO_ARRAY", "pairs is not an array of [run, event]"), field="pairs"
            )
        yield from _json_elements(events, columns.width + 1)
    if not seen:
        raise invalid(told("PAIRS_MISSING", "the field 'pairs' is missing"), field="pairs")
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
