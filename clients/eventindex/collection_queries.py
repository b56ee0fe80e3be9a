"""Collections and what they have in common, as methods of the client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from eventindex.collection_names import RAW, distinct_names
from eventindex.collection_results import Collection, CollectionOverlap, to_collection
from eventindex.datasets import DatasetQueries
from eventindex.limits import NUMBER_MAX, PAIRS_PER_MESSAGE_MAX
from eventindex.selection import bounds, checked_number
from eventindex.v1 import lookup_pb2


class CollectionQueries(DatasetQueries):
    """Lists collections and compares them."""

    def collections(self, *, timeout: float | None = None) -> list[Collection]:
        """Return the collections of the index, "raw" first, then by name."""
        return self._collections(lookup_pb2.ListCollectionsRequest(), timeout)

    def collections_of(
        self, runs: Iterable[int], *, timeout: float | None = None
    ) -> list[Collection]:
        """Return the collections that hold events of any of some runs.

        Args:
            runs: run numbers; more than 100,000 are asked for in parts.
            timeout: seconds to wait for each of them.
        """
        numbers = sorted({checked_number(run, "run", NUMBER_MAX) for run in runs})
        found: dict[str, Collection] = {}
        for start in range(0, len(numbers), PAIRS_PER_MESSAGE_MAX):
            part = numbers[start : start + PAIRS_PER_MESSAGE_MAX]
            request = lookup_pb2.ListCollectionsRequest(run_numbers=part)
            found |= {one.name: one for one in self._collections(request, timeout)}
        return sorted(found.values(), key=lambda one: (one.name != RAW, one.name))

    def overlap(
        self,
        collections: Sequence[str],
        *,
        run_first: int | None = None,
        run_last: int | None = None,
        by_run: bool = False,
        timeout: float | None = None,
    ) -> CollectionOverlap:
        """Count the events that each two of some collections have in common.

        Args:
            collections: 1 to 32 names.
            run_first, run_last: bounds, inclusive.
            by_run: count by run, too.
            timeout: seconds to wait.

        Raises:
            ValueError: no name, or the same twice.
            InvalidRequestError: an unknown collection.
        """
        first, last = bounds((run_first, run_last), "runs")
        request = lookup_pb2.OverlapCollectionsRequest(
            collections=distinct_names(collections), run_first=first, run_last=last, by_run=by_run
        )
        return _to_overlap(self._unary(self._index.OverlapCollections, request, timeout))

    def _collections(
        self, request: lookup_pb2.ListCollectionsRequest, timeout: float | None
    ) -> list[Collection]:
        answer = self._unary(self._index.ListCollections, request, timeout)
        return [to_collection(message) for message in answer.collections]


def _to_overlap(message: lookup_pb2.OverlapCollectionsResponse) -> CollectionOverlap:
    """Return the overlap of collections of the wire as a value."""
    shape = (len(message.collections),) * 2
    return CollectionOverlap(
        list(message.collections),
        np.array(message.events, np.int64).reshape(shape),
        {run.run_number: np.array(run.events, np.int64).reshape(shape) for run in message.runs},
    )
