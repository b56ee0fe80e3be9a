"""A list of pairs on its way: on disk, 16 bytes a pair, until all of it has come.

Ordinary clients read the answer after they sent everything: one that begins earlier would block
both. And what is wrong with a list is known before its answer begins. Memory stays flat.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np

from eventindex.pairs import Pairs
from eventindex.told import told
from rest_gateway.lists.block import ListBlock, PairError
from rest_gateway.problems import Problem, too_large

ERRORS_MAX = 1000
_MEMORY_BYTES_MAX = 1024 * 1024
_BATCH_PAIRS = 50_000
_PAIR_BYTES = 16


class ListCheck:
    """Counts the pairs of a list and keeps what is wrong with it."""

    def __init__(self, pairs_max: int, setting: str) -> None:
        self._pairs_max = pairs_max
        self._setting = setting
        self.pairs = 0
        self.errors: list[PairError] = []

    def add(self, block: ListBlock) -> None:
        """Count a block.

        Raises:
            Problem: 413 for more pairs than are allowed, 400 where too many lines are none.
        """
        self.pairs += len(block.pairs.runs)
        if self.pairs > self._pairs_max:
            raise too_large("the list", self._pairs_max, "pairs", self._setting)
        self.errors += block.errors
        if len(self.errors) > ERRORS_MAX:
            raise self._refusal(
                told(
                    "TOO_MANY_BAD_LINES",
                    "more than {limit} lines are not pairs; the first are named",
                    limit=f"{ERRORS_MAX:,}",
                )
            )

    def end(self) -> None:
        """Mark the list as complete.

        Raises:
            Problem: 400 where there is nothing but errors.
        """
        if self.errors and not self.pairs:
            raise self._refusal(told("NO_PAIRS", "no line of the list is a pair"))

    def _refusal(self, detail: str) -> Problem:
        return Problem(400, "invalid-list", detail, errors=self.errors[:ERRORS_MAX])


class PairSpool:
    """The pairs of a list in a temporary file. Written once, then read once."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_MEMORY_BYTES_MAX)  # noqa: SIM115  # closed by `close`

    def fill(self, blocks: Iterable[ListBlock], check: ListCheck) -> None:
        """Take a list to its end.

        Raises:
            Problem: the list is too long or not one.
        """
        kept: list[Pairs] = []
        count = 0
        for block in blocks:
            check.add(block)
            kept.append(block.pairs)
            count += len(block.pairs.runs)
            if count >= _BATCH_PAIRS:
                rest = self._write(_joined(kept), _BATCH_PAIRS)
                kept, count = [rest], len(rest.runs)
        self._write(_joined(kept), 1)
        check.end()
        self._file.seek(0)

    def _write(self, pairs: Pairs, pairs_min: int) -> Pairs:
        """Write batches, the run numbers before the event numbers; return what is left."""
        while len(pairs.runs) >= pairs_min:
            for column in pairs:
                self._file.write(column[:_BATCH_PAIRS].data)
            pairs = Pairs(*(column[_BATCH_PAIRS:] for column in pairs))
        return pairs

    def batches(self) -> Iterator[Pairs]:
        """Yield the pairs in batches of up to 50,000; closes the file."""
        with self._file:
            while data := self._file.read(_BATCH_PAIRS * _PAIR_BYTES):
                yield Pairs(*np.frombuffer(data, np.int64).reshape(2, -1))

    def close(self) -> None:
        """Give the space back."""
        self._file.close()


def _joined(blocks: Sequence[Pairs]) -> Pairs:
    """Return blocks as one; each column is a whole of its own."""
    columns = zip(*blocks, strict=True) if blocks else ((), ())
    return Pairs(*(np.concatenate([*column, np.empty(0, np.int64)]) for column in columns))
