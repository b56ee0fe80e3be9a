"""Lists of pairs as they are read, in pieces of any size, and as they are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest

from eventindex.pair_lists.text import BadLine, PairListError, parse_columns, read_pairs


class Pieces(io.BytesIO):
    """A file that comes in pieces of given sizes, again and again, as a pipe gives them."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self._sizes = sizes
        self._turn = 0

    def read1(self, size: int | None = -1) -> bytes:
        self._turn += 1
        return super().read1(self._sizes[self._turn % len(self._sizes)])


def read(
    data: bytes, columns: str | None = None, sizes: list[int] | None = None
) -> tuple[list[tuple[int, int]], list[BadLine]]:
    """The pairs of a list and what in it was none."""
    stream = io.BytesIO(data) if sizes is None else Pieces(data, sizes)
    blocks = list(read_pairs(stream, parse_columns(columns) if columns else None))
    pairs = [
        pair for block in blocks for pair in zip(*map(np.ndarray.tolist, block.pairs), strict=True)
    ]
    return pairs, [line for block in blocks for line in block.bad_lines]


def refusal(data: bytes, columns: str | None = None) -> str:
    """The sentence that a whole list is refused with."""
    with pytest.raises(PairListError) as refused:
        read(data, columns)
    return str(refused.value)
