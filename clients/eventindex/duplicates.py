"""Events that two datasets hold, as methods of the client."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from eventindex.collection_names import RAW, distinct_names
from eventindex.datasets import DatasetQueries
from eventindex.duplicate_results import DatasetPair, DuplicateEvents
from eventindex.selection import Range, run_bounds
from eventindex.v1 import lookup_pb2


class DuplicateQueries(DatasetQueries):
    """Looks for events of two datasets."""

    def duplicates(
        self,
        collections: Sequence[str] = (RAW,),
        *,
        datasets: Sequence[int | str] = (),
        run: int | None = None,
        runs: Range | None = None,
        timeout: float | None = None,
    ) -> list[DatasetPair]:
        """Return the pairs of datasets that share events, with how many.

        Within a collection, in which an event has one home, these are the events that were offered
        again with another dataset: conflicts, decided on or not. Between two collections they are
        the events that both have.

        Args:
            collections: 1 to 32 names.
            datasets: pairs that have this dataset, or these two, by number or name.
            run, runs: one run, or (first, last), inclusive.
            timeout: longest wait for the next part of the answer, seconds.

        Raises:
            ValueError: no name, the same twice, or an argument that makes no sense.
            NotFoundError: a dataset is not in the index.
            InvalidRequestError: an unknown collection.
        """
        request = self._request(collections, datasets, run_bounds(run, runs))
        responses = self._responses(request, timeout)
        return [_to_pair(pair) for response in responses for pair in response.pairs]

    def duplicate_events(
        self,
        collections: Sequence[str] = (RAW,),
        *,
        datasets: Sequence[int | str] = (),
        run: int | None = None,
        runs: Range | None = None,
        timeout: float | None = None,
    ) -> Iterator[DuplicateEvents]:
        """Yield the events that `duplicates` counts; the arguments are the same.

        A stream that breaks in between ends in an error.
        """
        request = self._request(collections, datasets, run_bounds(run, runs))
        request.with_events = True
        return (
            _to_events(response.events)
            for response in self._responses(request, timeout)
            if response.HasField("events")
        )

    def _request(
        self, collections: Sequence[str], datasets: Sequence[int | str], runs: Range
    ) -> lookup_pb2.ListDuplicatesRequest:
        return lookup_pb2.ListDuplicatesRequest(
            collections=distinct_names(collections),
            datasets=[dsid for one in datasets if (dsid := self._dsid(one)) is not None],
            run_first=runs[0],
            run_last=runs[1],
        )

    def _responses(
        self, request: lookup_pb2.ListDuplicatesRequest, timeout: float | None
    ) -> Generator[lookup_pb2.ListDuplicatesResponse, None, None]:
        return self._download(lambda: self._index.ListDuplicates(request), timeout, resumes=False)


def _to_pair(message: lookup_pb2.DatasetPair) -> DatasetPair:
    return DatasetPair(
        message.collection,
        message.dsid_raw,
        message.other_collection,
        message.other_dsid_raw,
        message.events,
    )


def _to_events(message: lookup_pb2.DuplicateEvents) -> DuplicateEvents:
    numbers = np.array(message.event_numbers, np.int64)
    return DuplicateEvents(_to_pair(message.pair), message.run_number, numbers)
