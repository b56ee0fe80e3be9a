"""Parents and children of a file, for GetFile: which collections to ask, and their files."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.select import provenance
from event_store.select.collections import collection_number, collections_of_file
from event_store.select.provenance import RelatedFile, Relations
from eventindex.v1 import lookup_pb2
from index_service.events_plan import plan_names
from service_kit.errors import InvalidRequestError

# Collections that are asked, by name and as children of one.
NAMES_MAX = 16
CHILDREN_MAX = 100
# Files in an answer, parents or children.
FILES_MAX = 10_000


class Family(NamedTuple):
    """The parents and children of a file, and the names of their collections."""

    parents: Sequence[RelatedFile]
    children: Sequence[RelatedFile]
    names: dict[int, str]


class _Asked(NamedTuple):
    """A collection that the file has events in, and those whose files are counted."""

    collection: int
    parents: Sequence[int]
    children: Sequence[int]


def plan(request: lookup_pb2.GetFileRequest) -> list[str]:
    """Check which collections a question is about; returns their names, none for the usual ones.

    Raises:
        InvalidRequestError: too many, the same twice, or no relation is asked for.
    """
    names = plan_names("related_collections", request.related_collections, NAMES_MAX)
    if names and not (request.with_parents or request.with_children):
        raise InvalidRequestError("related_collections goes with with_parents or with_children")
    return names


async def read(
    threads: DatabaseThreads, request: lookup_pb2.GetFileRequest, fuid_raw: str
) -> Family:
    """Return parents and children as far as they are asked for.

    Raises:
        InvalidRequestError: a collection that is no relation, or too many files.
        UnknownCollectionError: a collection that is not there.
    """
    names = plan(request)
    asked = await threads.run(lambda connection: _asked(connection, request, names, fuid_raw))
    fuid = uuid.UUID(fuid_raw).bytes
    parents: list[RelatedFile] = []
    children: list[RelatedFile] = []
    for collection, up, down in asked:
        for kind, others, into in (("parents", up, parents), ("children", down, children)):
            relations = Relations(fuid, collection, others)
            while others and await threads.run(relations.read):
                if relations.files + len(into) > FILES_MAX:
                    raise InvalidRequestError(
                        f"fuid_raw={fuid_raw} has more than {FILES_MAX:,} {kind}: name one of "
                        "related_collections"
                    )
            into += relations.found()
    numbers = {file.collection for file in [*parents, *children]}
    return Family(parents, children, await threads.run(lambda c: _names(c, sorted(numbers))))


def _asked(
    connection: Connection,
    request: lookup_pb2.GetFileRequest,
    names: Sequence[str],
    fuid_raw: str,
) -> list[_Asked]:
    with connection.cursor() as cursor:
        wanted = {name: collection_number(cursor, name) for name in names}
        found = [
            _relations(cursor, request, wanted, own)
            for own in collections_of_file(cursor, fuid_raw)
        ]
        for name, number in wanted.items():
            if not any(number in [*one.parents, *one.children] for one in found):
                own = ", ".join(repr(provenance.name_of(cursor, o.collection)) for o in found)
                what = " or ".join(
                    word
                    for word, on in (
                        ("was made from it", request.with_children),
                        ("is one that it was made from", request.with_parents),
                    )
                    if on
                )
                raise InvalidRequestError(
                    f"related_collections: {name!r} is no relation of the file's collection "
                    f"{own}: none that {what}"
                )
        return found


def _relations(
    cursor: Cursor, request: lookup_pb2.GetFileRequest, wanted: dict[str, int], own: int
) -> _Asked:
    """Return which collections to ask: those that are named, or the usual ones."""
    numbers = list(wanted.values())
    up: list[int] = []
    down: list[int] = []
    if request.with_parents:
        up = provenance.ancestors(cursor, own)
        up = [number for number in up if not numbers or number in numbers]
    if request.with_children and numbers:
        down = [one for one in numbers if own in provenance.ancestors(cursor, one)]
    elif request.with_children:
        down = provenance.made_from(cursor, own, CHILDREN_MAX)
    return _Asked(own, up, down)


def _names(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    with connection.cursor() as cursor:
        return {number: provenance.name_of(cursor, number) for number in numbers}
