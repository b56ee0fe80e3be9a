"""Telescope records and files of IndexService: request, plan, fetch, reply.

Streams read a piece, send it, and read the next when the caller has taken it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import NotFoundError
from event_store.select.existence import require_detector
from event_store.telescope.count import count
from event_store.telescope.lookup import dataset_numbers, file_known, find_file, run_has_records
from event_store.telescope.names import TelescopeFile
from event_store.telescope.read import CosmicRow, CosmicScan, CosmicSelection
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service import cosmic_plan, cosmic_reply
from service_kit import checks
from service_kit.errors import InvalidRequestError

# Counts in one response.
_GROUPS_MAX = 100_000


class Cosmic:
    """Answers from the records that the telescopes sent."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def GetCosmicEvents(
        self, request: lookup_pb2.GetCosmicEventsRequest
    ) -> AsyncIterator[lookup_pb2.GetCosmicEventsResponse]:
        """Yield the records of a selection in ascending (run, event, detector) order."""
        selection = cosmic_plan.plan_selection(request)
        await self._threads.run(lambda connection: _check_known(connection, selection))
        scan = CosmicScan(selection)
        left = request.events_max or None
        while left is None or left > 0:
            rows, datasets = await self._threads.run(
                lambda connection, limit=left: _read(connection, scan, limit)  # type: ignore[misc]
            )
            if not rows:
                return
            left = None if left is None else left - len(rows)
            for message in cosmic_reply.event_messages(rows, datasets):
                yield message

    async def CountCosmicEvents(
        self, request: lookup_pb2.CountCosmicEventsRequest
    ) -> lookup_pb2.CountCosmicEventsResponse:
        """Return numbers of records of a selection."""
        selection = cosmic_plan.plan_selection(request.selection)
        by = cosmic_plan.plan_count(request.by)

        def fetch(connection: Connection) -> dict[tuple[Any, ...], int]:
            _check_known(connection, selection)
            return count(connection, selection, by, _GROUPS_MAX)

        counts = await self._threads.run(fetch)
        if len(counts) > _GROUPS_MAX:
            raise InvalidRequestError(
                told(
                    "TOO_MANY_COUNTS_BY",
                    "more than {limit} counts by {by}: narrow the run or time range",
                    limit=f"{_GROUPS_MAX:,}",
                    by=by,
                )
            )
        return cosmic_reply.count_response(by, counts)

    async def ReadRawFile(
        self, request: lookup_pb2.ReadRawFileRequest
    ) -> AsyncIterator[lookup_pb2.ReadRawFileResponse]:
        """Return the lines of a telescope's RAW file in ascending event number."""
        fuid = str(checks.fuid(request.fuid_raw))
        file = await self._threads.run(lambda connection: _find(connection, fuid))
        run = file.run_number
        scan = CosmicScan(CosmicSelection(run, run, detector_id=file.detector_id), file)
        while rows := await self._threads.run(scan.read):
            for message in cosmic_reply.line_messages(rows):
                yield message


def _check_known(connection: Connection, selection: CosmicSelection) -> None:
    one = selection.run_first == selection.run_last
    with connection.cursor() as cursor:
        if one and not run_has_records(cursor, selection.run_first):
            raise NotFoundError(
                told(
                    "RUN_WITHOUT_TELESCOPE",
                    "run {run} has no telescope events",
                    run=selection.run_first,
                )
            )
        require_detector(cursor, selection.detector_id)


def _read(
    connection: Connection, scan: CosmicScan, limit: int | None
) -> tuple[list[CosmicRow], dict[TelescopeFile, int]]:
    rows = scan.read(connection)[:limit]
    with connection.cursor() as cursor:
        return rows, dataset_numbers(cursor, {row.file for row in rows})


def _find(connection: Connection, fuid: str) -> TelescopeFile:
    with connection.cursor() as cursor:
        file = find_file(cursor, fuid)
        if file is not None:
            return file
        if file_known(cursor, fuid):
            raise InvalidRequestError(
                told(
                    "FILE_WITHOUT_LINES",
                    "fuid_raw={file} is not the file of a telescope: the index keeps no "
                    "lines of it",
                    file=fuid,
                )
            )
    raise NotFoundError(told("FILE_NOT_FOUND", "fuid_raw={file} is not in the index", file=fuid))
