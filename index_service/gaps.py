"""RunGaps: the event numbers that a run lacks, counted on the presence planes page by page."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.model import RAW_NAME
from event_store.select.collections import collection_number
from event_store.select.gaps import Gaps, read_bounds
from event_store.select.scan import Scan
from event_store.select.selection import Selection
from eventindex.v1 import lookup_pb2
from index_service.events import scanned
from service_kit import checks

GAPS_MAX = 10_000


class RunGaps:
    """The method of IndexService that looks for gaps."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def RunGaps(self, request: lookup_pb2.RunGapsRequest) -> lookup_pb2.RunGapsResponse:
        """Count what is missing between the first and the last event of a run."""
        run = checks.number("run_number", request.run_number)
        gaps_max = checks.at_most("gaps_max", request.gaps_max, GAPS_MAX)
        name = request.collection or RAW_NAME
        number, first, last = await self._threads.run(
            lambda connection: _bounds(connection, run, name)
        )
        gaps = Gaps(first, last, gaps_max)
        pages = Scan(Selection(run, run, first, last, collection=number))
        async with aclosing(scanned(self._threads, pages)) as pieces:
            async for found in pieces:
                await asyncio.to_thread(gaps.add_pages, found)
        return lookup_pb2.RunGapsResponse(
            event_first=first,
            event_last=last,
            events=gaps.events,
            missing=gaps.missing,
            gaps=gaps.gaps,
            widest=[lookup_pb2.EventRange(first=a, last=b) for a, b in gaps.widest()],
            bins=[lookup_pb2.EventBin(**part._asdict()) for part in gaps.bins()],
        )


def _bounds(connection: Connection, run: int, name: str) -> tuple[int, int, int]:
    with connection.cursor() as cursor:
        number = collection_number(cursor, name)
        return number, *read_bounds(cursor, run, number)
