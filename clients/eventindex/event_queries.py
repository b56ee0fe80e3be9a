"""Selections of events and their counts, as methods of the client."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Unpack

import numpy as np

from eventindex.choices import CountBy
from eventindex.connection import Connection
from eventindex.criteria import MASKS, names_in
from eventindex.datasets import DatasetQueries
from eventindex.limits import NUMBER_MAX
from eventindex.selection import SelectionArguments, checked_number, to_selection
from eventindex.selection_results import EventCounts, Events, to_counts
from eventindex.silence import Call
from eventindex.v1 import admin_pb2, lookup_pb2
from eventindex.wire_decode import BatchColumns

_WIRE_COUNT_BY = {
    CountBy.RUN: lookup_pb2.COUNT_BY_RUN,
    CountBy.DATASET: lookup_pb2.COUNT_BY_DATASET,
    CountBy.FILE: lookup_pb2.COUNT_BY_FILE,
    CountBy.BIT: lookup_pb2.COUNT_BY_OLT_BIT,
    CountBy.OVERLAP: lookup_pb2.COUNT_BY_OLT_BIT_PAIR,
}


class EventQueries(DatasetQueries, Connection):
    """Lists and counts the events of a selection."""

    def list_events(
        self,
        *,
        after: tuple[int, int] | None = None,
        events_max: int = 0,
        batch_events_max: int = 0,
        with_file_names: bool = False,
        timeout: float | None = None,
        **selection: Unpack[SelectionArguments],
    ) -> Generator[Events, None, None]:
        """Yield the events of a selection as columns, in ascending (run, event) order.

        When the server goes away the call is opened again behind the last event that came: no
        event comes twice and none is left out. Close the generator to end early.

        Args:
            after: (run, event) to go on behind.
            events_max: stop after so many events; 0 is no limit.
            batch_events_max: events in a batch at most; 0 is the server's choice.
            with_file_names: ask for what is noted of the files too.
            timeout: longest wait for one batch, seconds; default as in `connect`.
            **selection: which events, see `SelectionArguments`.

        Raises:
            ValueError: an argument that makes no sense, at once.
            NotFoundError: a run, dataset or file that was asked for is not in the index.
            EventIndexError: the server refused, failed, or is away for too long.
        """
        request = lookup_pb2.ListEventsRequest(
            selection=self._selection(selection),
            batch_events_max=checked_number(batch_events_max, "batch_events_max", 2**32 - 1),
            events_max=checked_number(events_max, "events_max", NUMBER_MAX),
            with_file_names=with_file_names,
        )
        if after is not None:
            if not isinstance(after, tuple) or len(after) != 2:
                raise ValueError(f"after is {after!r}, not (run, event)")
            run, event = after
            request.after_run_number = checked_number(run, "after run", NUMBER_MAX)
            request.after_event_number = checked_number(event, "after event", NUMBER_MAX)
        return self._events(request, timeout)

    def count_events(
        self,
        *,
        by: CountBy | str | None = None,
        timeout: float | None = None,
        **selection: Unpack[SelectionArguments],
    ) -> EventCounts:
        """Count the events of a selection: in all, and by run, dataset, file, bit or overlap.

        Args:
            by: what to count by; None is the total alone. "bit" counts each bit of `olt_result`,
                "overlap" each pair of bits.
            timeout: seconds to wait; default as in `connect`.
            **selection: which events, see `SelectionArguments`.

        Raises:
            ValueError: an argument that makes no sense.
            NotFoundError: a run, dataset or file that was asked for is not in the index.
        """
        request = lookup_pb2.CountEventsRequest(
            selection=self._selection(selection),
            by=None if by is None else _WIRE_COUNT_BY[CountBy(by)],
        )
        return to_counts(self._unary(self._index.CountEvents, request, timeout))

    def _selection(self, selection: SelectionArguments) -> lookup_pb2.EventSelection:
        """Return a selection; names of datasets and criteria are asked for where there are any."""
        dsid_raw = self._dsid(selection.get("dataset"))
        given: list[Any] = [selection.get(name, 0) for name in MASKS]
        bits: dict[str, set[int]] = {}
        if any(names_in(each) for each in given if not isinstance(each, int | np.integer)):
            request = admin_pb2.ListCriteriaRequest()
            for each in self._change(self._admin.ListCriteria, request, None).criteria:
                bits.setdefault(each.name, set()).add(each.bit)
        return to_selection(selection, dsid_raw, bits)

    def _events(
        self, request: lookup_pb2.ListEventsRequest, timeout: float | None
    ) -> Generator[Events, None, None]:
        """Yield batches and keep in the request where to go on."""

        def open_call() -> Call[BatchColumns]:
            return self._list_events(request)

        limited = request.events_max > 0
        stream = self._download(open_call, timeout, resumes=True)
        try:
            for batch in stream:
                if not len(batch.event_numbers):
                    continue
                events = Events(batch)
                request.after_run_number = int(events.run_numbers[-1])
                request.after_event_number = int(events.event_numbers[-1])
                if limited:
                    request.events_max = max(request.events_max - len(events), 0)
                yield events
                # 0 would mean no limit, were the call opened again.
                if limited and not request.events_max:
                    return
        finally:
            stream.close()
