"""A batch of pairs on its way to an answer: grouped by run and page, answered in parts. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from event_store.model import Int64, UInt64
from event_store.page import SLOT_BITS, SLOT_MASK
from event_store.plan import starts

Reply = TypeVar("Reply", bound=Hashable)
Pairs = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Reply]):
    """The answer to n pairs.

    Attributes:
        files: the replies of the distinct RAW files found.
        file_indexes: uint32, shape (n,): 0 not found, i the file `files[i - 1]`.
        olt: uint64, shape (n,), 0 where not found; None when it was not asked for.
    """

    files: Sequence[Reply]
    file_indexes: npt.NDArray[np.uint32]
    olt: UInt64 | None


class MissingPages(NamedTuple):
    """Pages of one run that the cache cannot answer for.

    `pages` is int64, shape (p,), ascending; `pairs` are places in the batch, ordered by page;
    the pairs of `pages[i]` are `pairs[cuts[i]:cuts[i + 1]]`.
    """

    run: int
    generation: int
    pages: Int64
    pairs: Pairs
    cuts: Int64


class LookupBatch(Generic[Reply]):
    """n pairs, the generations of their runs, and what is answered so far.

    Attributes:
        runs: the run of all pairs, or int64 of shape (n,).
        pages, slots: int64, shape (n,).
        distinct_runs: int64, the runs that occur.
    """

    def __init__(self, runs: Int64, events: Int64, *, with_olt: bool) -> None:
        self.pages = events >> SLOT_BITS
        self.slots = events & SLOT_MASK
        self.with_olt = with_olt
        self.runs: Int64 | int
        self._run_of_pair: Pairs | None = None
        if len(runs) == 1:
            self.runs, self.distinct_runs = int(runs[0]), runs
        else:
            self.runs = runs
            self.distinct_runs, self._run_of_pair = distinct(runs)
        self.stamps: Int64 | int = -1
        self._file_indexes = np.zeros(len(events), np.uint32)
        self._olt = np.zeros(len(events), np.uint64) if with_olt else None
        self._files: dict[Reply, int] = {}

    def set_generations(self, generations: Mapping[int, int]) -> None:
        """Take the generation of each run; a run that does not exist has none."""
        by_run = [generations.get(run, -1) for run in self.distinct_runs.tolist()]
        if self._run_of_pair is None:
            self.stamps = by_run[0]
        else:
            self.stamps = np.array(by_run, np.int64)[self._run_of_pair]

    def answer(
        self,
        where: Pairs | slice,
        files: Sequence[Reply],
        places: npt.NDArray[np.uint32],
        olt: UInt64 | None,
    ) -> None:
        """Answer the pairs at `where`: the place of each among `files` from 1, or 0."""
        first = not self._files
        number = [0]
        number += [self._files.setdefault(file, len(self._files) + 1) for file in files]
        self._file_indexes[where] = places if first else np.array(number, np.uint32)[places]
        if self._olt is not None and olt is not None:
            self._olt[where] = olt

    def finish(self) -> Answer[Reply]:
        """The answer; pairs that nobody answered are not found."""
        return Answer(list(self._files), self._file_indexes, self._olt)

    def missing(self, unanswered: npt.NDArray[np.bool_]) -> Iterator[MissingPages]:
        """The pages of the unanswered pairs whose run exists, run by run."""
        pairs = np.flatnonzero(unanswered & (np.asarray(self.stamps) >= 0))
        if not len(pairs):
            return
        pages = self.pages[pairs]
        run_of = np.zeros(len(pairs), np.intp)
        if self._run_of_pair is not None:
            run_of = self._run_of_pair[pairs]
        order = np.lexsort((pages, run_of))
        pairs, pages, run_of = pairs[order], pages[order], run_of[order]
        for first, last in itertools.pairwise([*starts(run_of).tolist(), len(pairs)]):
            own = pages[first:last]
            cuts = starts(own)
            pair = pairs[first]
            stamp = self.stamps if isinstance(self.stamps, int) else int(self.stamps[pair])
            run = int(self.distinct_runs[run_of[first]])
            yield MissingPages(
                run, stamp, own[cuts], pairs[first:last], np.append(cuts, last - first)
            )


def distinct(values: Int64) -> tuple[Int64, Pairs]:
    """As `np.unique(values, return_inverse=True)`, without sorting where the range is small."""
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span > 4 * len(values) + 1024:
        found, inverse = np.unique(values, return_inverse=True)
        return found, inverse
    offset = values - low
    mark = np.zeros(span, bool)
    mark[offset] = True
    used = np.flatnonzero(mark)
    number = np.empty(span, np.intp)
    number[used] = np.arange(len(used))
    return used + low, number[offset]
