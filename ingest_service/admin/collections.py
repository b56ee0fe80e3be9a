"""The methods of AdminService that make, change and delete collections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from event_store.admin import collections
from event_store.database.threads import DatabaseThreads
from eventindex.v1 import admin_pb2
from ingest_service.admin import collections_plan
from service_kit.messages import collection_message


class CollectionMethods:
    """Changes collections."""

    def __init__(self, threads: DatabaseThreads, collections_max: int) -> None:
        """`collections_max`: so many there may be."""
        self._threads = threads
        self._collections_max = collections_max

    async def CreateCollection(
        self, request: admin_pb2.CreateCollectionRequest
    ) -> admin_pb2.CreateCollectionResponse:
        """Make a collection."""
        plan = collections_plan.plan_new(request)
        work = partial(
            collections.create,
            name=plan.name,
            made_from=plan.made_from,
            comment=plan.comment,
            collections_max=self._collections_max,
        )
        row = await self._threads.run(work, repeatable=False)
        return admin_pb2.CreateCollectionResponse(collection=collection_message(row))

    async def UpdateCollection(
        self, request: admin_pb2.UpdateCollectionRequest
    ) -> admin_pb2.UpdateCollectionResponse:
        """Set a collection's state or its comment."""
        change = collections_plan.plan_change(request)
        row = await self._threads.run(partial(collections.update, change=change))
        return admin_pb2.UpdateCollectionResponse(collection=collection_message(row))

    async def DeleteCollection(
        self, request: admin_pb2.DeleteCollectionRequest
    ) -> AsyncIterator[admin_pb2.DeleteCollectionResponse]:
        """Remove a collection; a message at once, after each transaction and at the end."""
        deletion = await self._threads.run(partial(collections.begin_delete, name=request.name))

        def progress(left: int) -> admin_pb2.DeleteCollectionResponse:
            return admin_pb2.DeleteCollectionResponse(
                name=request.name,
                events_removed=max(0, deletion.events - left),
                events_left=left,
            )

        yield progress(deletion.events)
        while await self._threads.run(partial(collections.delete_some, deletion=deletion)):
            left = await self._threads.run(partial(collections.events_left, deletion=deletion))
            yield progress(left)
        await self._threads.run(partial(collections.end_delete, deletion=deletion))
        yield progress(0)
