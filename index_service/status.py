"""IndexStatus: what the index holds in all, and which version answers."""

from __future__ import annotations

from importlib.metadata import version

from google.protobuf.timestamp_pb2 import Timestamp

from event_store.database.threads import DatabaseThreads
from event_store.select.totals import read_totals
from eventindex.v1 import lookup_pb2


class Status:
    """The method of IndexService that tells of the whole."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._version = version("eventindex")

    async def IndexStatus(
        self,
        request: lookup_pb2.IndexStatusRequest,  # noqa: ARG002  # there is nothing in it
    ) -> lookup_pb2.IndexStatusResponse:
        """Return the totals and the version."""
        totals = await self._threads.run(read_totals)
        response = lookup_pb2.IndexStatusResponse(
            version=self._version,
            events=totals.events,
            runs=totals.runs,
            datasets=totals.datasets,
            collections=totals.collections,
            bytes=totals.size_bytes,
            files=totals.files,
            shards=totals.layout.shards,
            nodes=totals.layout.nodes,
        )
        if totals.last_seen is not None:
            last_seen = Timestamp()
            last_seen.FromDatetime(totals.last_seen)
            response.last_seen.CopyFrom(last_seen)
        return response
