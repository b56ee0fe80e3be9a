"""Parents and children of a file, for GetFile: which collections to ask, and their files."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.model import DatasetState
from event_store.select import provenance
from event_store.select.collections import collection_number, collections_of_file
from event_store.select.provenance import RelatedFile, Relations
from eventindex.told import told
from eventindex.v1 import event_pb2, lookup_pb2
from index_service.events_plan import plan_names
from service_kit.errors import InvalidRequestError

# Collections that are asked, by name and as children of one.
NAMES_MAX = 16
CHILDREN_MAX = 100
# Files in an answer, parents or children.
FILES_MAX = 10_000


class Family(NamedTuple):
    """The parents and children of a file."""

    parents: Sequence[lookup_pb2.RelatedFile] = ()
    children: Sequence[lookup_pb2.RelatedFile] = ()


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
        raise InvalidRequestError(
            told(
                "RELATED_WITHOUT_KIND",
                "related_collections goes with with_parents or with_children",
            )
        )
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
    if not (request.with_parents or request.with_children):
        return Family()
    asked = await threads.run(partial(_asked, request=request, names=names, fuid_raw=fuid_raw))
    fuid = uuid.UUID(fuid_raw).bytes
    parents: list[RelatedFile] = []
    children: list[RelatedFile] = []
    for one in asked:
        parents += await _files(threads, "parents", fuid, one.collection, one.parents)
        children += await _files(threads, "children", fuid, one.collection, one.children)
    return await threads.run(partial(_family, parents=parents, children=children))


async def _files(
    threads: DatabaseThreads, kind: str, fuid: bytes, collection: int, others: Sequence[int]
) -> list[RelatedFile]:
    relations = Relations(fuid, collection, others)
    more = bool(others)
    while more:
        more = await threads.run(relations.read)
        if relations.files > FILES_MAX:
            raise InvalidRequestError(
                told(
                    "TOO_MANY_RELATED",
                    "fuid_raw={file} has more than {limit} {kind}: name one of related_collections",
                    file=uuid.UUID(bytes=fuid),
                    limit=f"{FILES_MAX:,}",
                    kind=kind,
                )
            )
    return relations.found()


def _asked(
    connection: Connection,
    request: lookup_pb2.GetFileRequest,
    names: Sequence[str],
    fuid_raw: str,
) -> list[_Asked]:
    with connection.cursor() as cursor:
        wanted = {name: collection_number(cursor, name) for name in names}
        found = [
            _relations(cursor, request, list(wanted.values()), own)
            for own in collections_of_file(cursor, fuid_raw)
        ]
        asked = {number for one in found for number in (*one.parents, *one.children)}
        for name, number in wanted.items():
            if number not in asked:
                own = ", ".join(repr(provenance.name_of(cursor, one.collection)) for one in found)
                raise InvalidRequestError(
                    told(
                        "NOT_RELATED",
                        "related_collections: {name} is not among the {kinds} of {own}, "
                        "the file's collection",
                        name=repr(name),
                        kinds=_kinds(request),
                        own=own,
                    )
                )
        return found


def _kinds(request: lookup_pb2.GetFileRequest) -> str:
    kinds = {"parents": request.with_parents, "children": request.with_children}
    return " and ".join(kind for kind, asked in kinds.items() if asked)


def _relations(
    cursor: Cursor,
    request: lookup_pb2.GetFileRequest,
    wanted: Sequence[int],
    own: int,
) -> _Asked:
    """Return which collections to ask: those that are named, or the usual ones."""
    up: list[int] = []
    down: list[int] = []
    if request.with_parents:
        up = provenance.ancestors(cursor, own)
        up = [number for number in up if not wanted or number in wanted]
    if request.with_children and wanted:
        down = [one for one in wanted if own in provenance.ancestors(cursor, one)]
    elif request.with_children:
        down = provenance.made_from(cursor, own, CHILDREN_MAX)
    return _Asked(own, up, down)


def _family(
    connection: Connection, parents: Sequence[RelatedFile], children: Sequence[RelatedFile]
) -> Family:
    both = [*parents, *children]
    with connection.cursor() as cursor:
        names = {n: provenance.name_of(cursor, n) for n in {file.collection for file in both}}
        states = provenance.states_of(cursor, {file.dsid for file in both})
    return Family(_messages(parents, names, states), _messages(children, names, states))


def _messages(
    files: Iterable[RelatedFile], names: Mapping[int, str], states: Mapping[int, int]
) -> list[lookup_pb2.RelatedFile]:
    return [
        lookup_pb2.RelatedFile(
            file=event_pb2.RawFile(
                fuid_raw=file.fuid_raw,
                dsid_raw=file.dsid,
                dataset_state=event_pb2.DatasetState.Name(states.get(file.dsid, DatasetState.OPEN)),
            ),
            collection=names[file.collection],
            events=file.events,
        )
        for file in files
    ]
