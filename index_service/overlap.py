"""OverlapCollections: how many events collections have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.model import Int64
from event_store.select.collections import collection_number
from event_store.select.overlap import Overlap
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service.events_plan import plan_names
from service_kit import checks
from service_kit.errors import InvalidRequestError

COLLECTIONS_MAX = 32
# Numbers of all matrices of an answer.
COUNTS_MAX = 500_000


class Overlaps:
    """The method of IndexService that compares collections."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def OverlapCollections(
        self, request: lookup_pb2.OverlapCollectionsRequest
    ) -> lookup_pb2.OverlapCollectionsResponse:
        """Return the matrix of events in both of two collections, and on request that of runs."""
        names = plan_names("collections", request.collections, COLLECTIONS_MAX)
        if not names:
            raise InvalidRequestError(
                told("NO_COLLECTIONS", "collections is empty: name at least one")
            )
        runs = checks.number_range(request, "run")
        numbers = await self._threads.run(partial(_numbers, names=names))
        overlap = Overlap(numbers, runs.first, runs.last)
        total = np.zeros((len(names), len(names)), np.int64)
        by_run: dict[int, Int64] = {}
        while found := await self._threads.run(overlap.read):
            for run, matrix in found:
                total += matrix
                if request.by_run:
                    by_run[run] = by_run[run] + matrix if run in by_run else matrix
            if len(by_run) * total.size > COUNTS_MAX:
                raise InvalidRequestError(
                    told(
                        "TOO_MANY_COUNTS_BY_RUN",
                        "by_run has more than {limit} counts: narrow the range of runs",
                        limit=f"{COUNTS_MAX:,}",
                    )
                )
        return lookup_pb2.OverlapCollectionsResponse(
            collections=names,
            events=total.ravel().tolist(),
            runs=(
                lookup_pb2.OverlapOfRun(run_number=run, events=matrix.ravel().tolist())
                for run, matrix in by_run.items()
            ),
        )


def _numbers(connection: Connection, names: Sequence[str]) -> list[int]:
    with connection.cursor() as cursor:
        return [collection_number(cursor, name) for name in names]
