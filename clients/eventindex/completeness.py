"""What one collection has of another: a production beside its input, by run or by file."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypedDict, Unpack

from eventindex.catalogue import CatalogueQueries
from eventindex.choices import CountBy
from eventindex.collection_names import distinct_names
from eventindex.errors import NotFoundError
from eventindex.event_queries import EventQueries
from eventindex.limits import NUMBER_MAX
from eventindex.run_results import Run
from eventindex.selection import Range, SelectionArguments, run_bounds
from eventindex.selection_results import EventCount

# Runs or files that are counted by one question; an answer has at most 100,000.
_COUNTS_PER_QUESTION = 50_000


class ExpectedArguments(TypedDict, total=False):
    """Which events of a collection are expected in another; see `SelectionArguments`."""

    run: int | None
    runs: Range | None
    olt_all: int
    olt_any: int
    olt_none: int


class Completeness(NamedTuple):
    """What there is of one run, or of one RAW file, of the expected events.

    Attributes:
        run_number: None by file.
        collection: the expected one, or by file for `extra` the other: whose file it is.
        fuid_raw, dsid_raw: None by run.
        expected, found: events that should be there, and how many of them are.
        extra: events of the other collection that are not expected.
    """

    run_number: int | None
    collection: str
    fuid_raw: str | None
    dsid_raw: int | None
    expected: int
    found: int
    extra: int

    @property
    def missing(self) -> int:
        """Events that should be there and are not."""
        return self.expected - self.found

    @property
    def state(self) -> str:
        """Say "complete", "incomplete" (some are missing), "missing" (all are) or "extra"."""
        if self.missing:
            return "incomplete" if self.found else "missing"
        return "extra" if self.extra else "complete"


class CompletenessQueries(EventQueries, CatalogueQueries):
    """Compares collections."""

    def compare_collections(
        self,
        expected: str,
        collection: str,
        *,
        by: CountBy | str = CountBy.RUN,
        timeout: float | None = None,
        **selection: Unpack[ExpectedArguments],
    ) -> Iterator[Completeness]:
        """Yield how much of the events of one collection another has.

        By run: one value for each run of either. By file: one for each file of `expected`, and one
        for each file of `collection` that has events that are not expected. Both ascending.

        Args:
            expected: the collection whose events should be there.
            collection: the collection that should have them.
            by: "run" or "file".
            timeout: seconds to wait for each question.
            **selection: which events of `expected`, by run and by its own `olt_result`.

        Raises:
            ValueError: the same collection twice, or an argument that makes no sense.
            NotFoundError: a run that was asked for is not in `expected`.
            InvalidRequestError: an unknown collection.
        """
        distinct_names([expected, collection])
        wanted = CountBy(by)
        if wanted not in {CountBy.RUN, CountBy.FILE}:
            raise ValueError(f"by is {by!r}, not run or file")
        ask = _Questions(self, expected, collection, selection, timeout)
        parts = self._parts_of(ask, weigh=_one if wanted is CountBy.RUN else _files_of)
        return ask.by_run(parts) if wanted is CountBy.RUN else ask.by_file(parts)

    def _parts_of(self, ask: _Questions, weigh: Callable[[Run], int]) -> Iterator[Range]:
        """Yield ranges of runs that one question can be about each."""
        first, last = ask.runs
        if first is not None and first == last:
            yield ask.runs
            return
        of_both = (
            self.runs(run_first=first, run_last=last, collection=name, timeout=ask.timeout)
            for name in (ask.expected, ask.collection)
        )
        start, weight = first or 0, 0
        for run in heapq.merge(*of_both, key=lambda run: run.run_number):
            if weight and weight + weigh(run) > _COUNTS_PER_QUESTION and run.run_number > start:
                yield start, run.run_number - 1
                start, weight = run.run_number, 0
            weight += weigh(run)
        yield start, NUMBER_MAX if last is None else last


def _one(_: Run) -> int:
    return 1


def _files_of(run: Run) -> int:
    return run.files


class _Questions:
    """The counts that a comparison is made of."""

    def __init__(
        self,
        client: EventQueries,
        expected: str,
        collection: str,
        selection: ExpectedArguments,
        timeout: float | None,
    ) -> None:
        self.expected, self.collection, self.timeout = expected, collection, timeout
        self.runs = run_bounds(selection.get("run"), selection.get("runs"))
        self._client = client
        self._masks = SelectionArguments(
            olt_all=selection.get("olt_all", 0),
            olt_any=selection.get("olt_any", 0),
            olt_none=selection.get("olt_none", 0),
        )

    def by_run(self, parts: Iterator[Range]) -> Iterator[Completeness]:
        """Yield what there is of each run."""
        for part in parts:
            wanted, found = self._expected(CountBy.RUN, part), self._found(CountBy.RUN, part)
            there = self._there(CountBy.RUN, part)
            for run in sorted(wanted | there):
                # Events that came between two questions are no extra ones.
                extra = max(there[run] - found[run], 0)
                yield Completeness(run, self.expected, None, None, wanted[run], found[run], extra)

    def by_file(self, parts: Iterator[Range]) -> Iterator[Completeness]:
        """Yield what there is of each expected file, then the files with other events."""
        wanted, found, there, meant = (Counter[Any]() for _ in range(4))
        for part in parts:
            wanted += self._expected(CountBy.FILE, part)
            found += self._found(CountBy.FILE, part)
            there += self._there(CountBy.FILE, part)
            meant += self._meant(CountBy.FILE, part)
        for key in sorted(wanted):
            fuid, dsid = key
            yield Completeness(None, self.expected, fuid, dsid, wanted[key], found[key], 0)
        for (fuid, dsid), extra in sorted((there - meant).items()):
            yield Completeness(None, self.collection, fuid, dsid, 0, 0, extra)

    def _expected(self, by: CountBy, part: Range) -> Counter[Any]:
        return self._count(by, {**self._masks, "collection": self.expected, "runs": part})

    def _found(self, by: CountBy, part: Range) -> Counter[Any]:
        """Count the expected events that are there, by run or file of the expected collection."""
        of_both: SelectionArguments = {
            **self._masks,
            "collection": self.expected,
            "also_in": [self.collection],
        }
        return self._count(by, {**of_both, "runs": part})

    def _there(self, by: CountBy, part: Range) -> Counter[Any]:
        return self._of_other(by, {"runs": part})

    def _meant(self, by: CountBy, part: Range) -> Counter[Any]:
        """Count the expected events that are there, by file of the collection that has them."""
        selection: SelectionArguments = {**self._masks, "also_in": [self.expected], "runs": part}
        if any(self._masks.values()):
            selection["olt_from"] = self.expected
        return self._of_other(by, selection)

    def _of_other(self, by: CountBy, selection: SelectionArguments) -> Counter[Any]:
        try:
            return self._count(by, {**selection, "collection": self.collection})
        except NotFoundError:
            # The one run that is asked for is missing as a whole.
            return Counter()

    def _count(self, by: CountBy, selection: SelectionArguments) -> Counter[Any]:
        found = self._client.count_events(by=by, timeout=self.timeout, **selection)
        return Counter({_key(count, by): count.events for count in found.counts})


def _key(count: EventCount, by: CountBy) -> object:
    return count.run_number if by is CountBy.RUN else (count.fuid_raw, count.dsid_raw)
