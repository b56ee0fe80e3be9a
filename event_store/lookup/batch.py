"""A batch of pairs on its way to an answer: grouped by run and page, answered in parts. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, distinct, numbered, ragged, starts
from event_store.database.commit_tokens import CommitToken
from event_store.lookup.olt import olt_results
from event_store.model import RAW, RAW_NAME, Int32, Int64, UInt64
from event_store.pages.format import SLOT_BITS, SLOT_MASK, PackedPage

Reply = TypeVar("Reply", bound=Hashable)
Pairs = Places

# Pages are numbered by marking a range of up to this many more pages than pairs.
_PAGES_FEW = 1024


@dataclass(frozen=True, slots=True)
class Answer(Generic[Reply]):
    """The answer to n pairs.

    Attributes:
        files: the replies of the distinct RAW files found.
        file_indexes: uint32, shape (n,): 0 not found, i the file `files[i - 1]`.
        olt: uint64, shape (n,), 0 where not found; None when it was not asked for.
        other_collections: names of those that hold runs which the one that was asked does not
            hold; for whoever found nothing to fill in.
    """

    files: Sequence[Reply]
    file_indexes: npt.NDArray[np.uint32]
    olt: UInt64 | None
    other_collections: Sequence[str] = ()


class Asked(NamedTuple):
    """A batch of n pairs; the columns are those of `Reader.lookup`, `batch_id` is the caller's."""

    runs: Int64
    events: Int64
    with_olt: bool
    batch_id: int = 0
    collection: str = RAW_NAME
    with_names: bool = False
    of_stream: bool = False
    commit_token: CommitToken | None = None


class PendingOlt(NamedTuple):
    """Pairs whose `olt_result` is not answered yet, the row of each, and the pages by row."""

    where: Pairs | slice
    rows: Int32
    pages: Mapping[int, PackedPage]


class MissingPages(NamedTuple):
    """Pages that the cache cannot answer for, ascending by run and page; int64, shape (p,).

    `generations` are those of their runs. `pairs` are places in the batch, ordered by page: those
    of page i are `pairs[cuts[i]:cuts[i + 1]]`.
    """

    runs: Int64
    pages: Int64
    generations: Int64
    pairs: Pairs
    cuts: Int64

    def places(self, runs: Int64, pages: Int64) -> Places:
        """Return which pages these are, each of them one of the pages here."""
        first = starts(self.runs)
        ends = np.append(first, len(self.runs))
        run = np.searchsorted(self.runs[first], runs)
        # Ascending, as the pages here: as many numbers for each run as page numbers occur.
        low = self.pages.min()
        span = self.pages.max() - low + 1
        keys = np.repeat(np.arange(len(first)), np.diff(ends)) * span + (self.pages - low)
        places: Places = np.searchsorted(keys, run * span + (pages - low))
        return places

    def pairs_of(self, places: Places) -> tuple[Pairs, Places]:
        """Return the pairs of some pages, and for each pair which of those pages is its own."""
        counts = self.cuts[places + 1] - self.cuts[places]
        of = np.arange(len(places)).repeat(counts)
        return self.pairs[ragged(self.cuts[places], counts)], of

    def at(self, places: Places) -> MissingPages:
        """Return some of the pages, with their pairs."""
        pairs, of = self.pairs_of(places)
        ends = np.searchsorted(of, np.arange(len(places) + 1))
        return MissingPages(
            self.runs[places], self.pages[places], self.generations[places], pairs, ends
        )

    def pieces(self, pages_max: int) -> Iterator[MissingPages]:
        """Cut into parts of at most so many pages."""
        for first in range(0, len(self.runs), pages_max):
            yield self.at(np.arange(first, min(first + pages_max, len(self.runs))))


class CollectionPlace(NamedTuple):
    """Where the pages of a collection are in the cache: behind `offset`, as long as the `epoch`."""

    collection: int
    offset: int
    epoch: int


IN_RAW = CollectionPlace(RAW, 0, 0)


class LookupBatch(Generic[Reply]):
    """n pairs of one collection, the generations of their runs, and what is answered so far.

    The pairs lie in pages: pair i in the page `page_of_pair[i]` of the batch, once `find_pages` has
    found them; a batch of one run may be answered without.

    Attributes:
        events: int64, shape (n,), the event numbers.
        runs: the run of all pages, or int64 of shape (p,).
        pages: int64, shape (p,), with the offset of the collection added.
        page_of_pair: intp, shape (n,).
        slots: int64, shape (n,).
        distinct_runs: int64, the runs that occur.
        run_stamps: int64, the generation of each of them, -1 where there is none.
        stamps: int64, shape (p,), that of each page's run.
    """

    def __init__(
        self, runs: Int64, events: Int64, *, with_olt: bool, place: CollectionPlace
    ) -> None:
        self.place = place
        self.events = events
        self.with_olt = with_olt
        self.distinct_runs, self.runs = runs, int(runs[0]) if len(runs) == 1 else runs
        self._run_of_pair: Pairs | None = None
        if len(runs) > 1:
            self.distinct_runs, self._run_of_pair = distinct(runs)
        self._olt = np.zeros(len(events), np.uint64) if with_olt else None
        self._files: dict[Reply, int] = {}
        self._whole: Sequence[Reply] | None = None

    def find_pages(self) -> None:
        """Find the pages of the batch: each once where they lie close together, else one a pair."""
        self.slots = self.events & SLOT_MASK
        self._file_indexes = np.zeros(len(self.events), np.uint32)
        pages = self.events >> SLOT_BITS
        # The plain collection is not even added to.
        self._number_pages(
            self._run_of_pair, pages + self.place.offset if self.place.offset else pages
        )
        self.stamps = self.run_stamps.take(self._run_of_page)
        if not isinstance(self.runs, int):
            self.runs = self.distinct_runs.take(self._run_of_page)

    def _number_pages(self, run_of_pair: Pairs | None, pages: Int64) -> None:
        low = int(pages.min())
        span = int(pages.max()) - low + 1
        if span * len(self.distinct_runs) > len(pages) + _PAGES_FEW:
            self.pages, self.page_of_pair = pages, np.arange(len(pages))
            self._run_of_page = (
                np.zeros(len(pages), np.intp) if run_of_pair is None else run_of_pair
            )
            return
        place = pages - low
        if run_of_pair is not None:
            place += run_of_pair * span
        used = np.zeros(span * len(self.distinct_runs), bool)
        used[place] = True
        places, number = numbered(used)
        self.page_of_pair = place if len(places) == len(used) else number.take(place)
        self.pages, self._run_of_page = places % span + low, places // span

    def set_generations(self, generations: Mapping[int, int]) -> None:
        """Take the generation of each run; a run that does not exist has none."""
        by_run = [generations.get(run, -1) for run in self.distinct_runs.tolist()]
        self.run_stamps: Int64 = np.array(by_run, np.int64)

    def answer(
        self,
        where: Pairs | slice,
        files: Sequence[Reply],
        places: npt.NDArray[np.uint32],
    ) -> None:
        """Answer the pairs at `where`: the place of each among `files` from 1, or 0.

        A slice stands for all pairs at once.
        """
        if isinstance(where, slice):
            self._whole, self._file_indexes = files, places
        else:
            number = [0]
            number += [self._files.setdefault(file, len(self._files) + 1) for file in files]
            self._file_indexes[where] = np.array(number, np.uint32).take(places)

    def answer_olt(self, pending: PendingOlt | None) -> None:
        """Answer `olt_result` page by page; needs no lock, as nobody changes the pages."""
        if self._olt is not None and pending is not None:
            where, rows, pages = pending
            self._olt[where] = olt_results(pages, rows, self.slots[where])

    def finish(self) -> Answer[Reply]:
        """Return the answer; pairs that nobody answered are not found."""
        files = list(self._files) if self._whole is None else self._whole
        return Answer(files, self._file_indexes, self._olt)

    def missing(self, unanswered: npt.NDArray[np.bool_]) -> MissingPages | None:
        """Return the unanswered pages (a mask of them) whose run exists; None without one."""
        pairs = np.flatnonzero((unanswered & (self.stamps >= 0)).take(self.page_of_pair))
        if not len(pairs):
            return None
        page_of_pair = self.page_of_pair.take(pairs)
        pages, run_of = self.pages.take(page_of_pair), self._run_of_page.take(page_of_pair)
        order = np.lexsort((pages, run_of))
        pages, run_of, page_of_pair = pages[order], run_of[order], page_of_pair[order]
        other = np.ones(len(pages), bool)
        other[1:] = (pages[1:] != pages[:-1]) | (run_of[1:] != run_of[:-1])
        first = np.flatnonzero(other)
        return MissingPages(
            self.distinct_runs[run_of[first]],
            pages[first],
            self.stamps[page_of_pair[first]],
            pairs[order],
            np.append(first, len(pairs)),
        )
