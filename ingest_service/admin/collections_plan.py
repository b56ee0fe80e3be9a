"""From requests about collections to checked values. Pure: no I/O, no database."""

from __future__ import annotations

from typing import NamedTuple

from event_store.admin.collections import CollectionChange
from event_store.select.collections import can_be_a_name, is_name
from eventindex.collection_names import ALL
from eventindex.told import told
from eventindex.v1 import admin_pb2
from ingest_service.admin.plan import plan_comment, plan_state
from ingest_service.decode.fields import describe
from service_kit.errors import InvalidRequestError


class NewCollection(NamedTuple):
    """A collection that can be made; `made_from` is "" without one."""

    name: str
    made_from: str
    comment: str


def plan_new(request: admin_pb2.CreateCollectionRequest) -> NewCollection:
    """Check a collection to be made.

    Raises:
        InvalidRequestError: a name or comment that cannot be, or one that is made from itself.
    """
    if request.name == ALL:
        raise InvalidRequestError(
            told("NAME_OF_ALL", "name={name} stands for all collections", name=repr(ALL))
        )
    if not is_name(request.name):
        raise InvalidRequestError(
            told(
                "NOT_A_COLLECTION_NAME",
                "name={name} is not 1 to 64 of a-z, 0-9, '.', '_' and '-' with a letter or "
                "digit first; names with 'cosmic.' are of telescopes",
                name=describe(request.name),
            )
        )
    if request.made_from == request.name:
        raise InvalidRequestError(
            told(
                "MADE_FROM_ITSELF",
                "made_from={name} is the collection itself",
                name=repr(request.name),
            )
        )
    if request.made_from and not can_be_a_name(request.made_from):
        raise InvalidRequestError(
            told(
                "MADE_FROM_NO_NAME",
                "made_from={name} is not a name",
                name=describe(request.made_from),
            )
        )
    return NewCollection(request.name, request.made_from, plan_comment(request.comment))


def plan_change(request: admin_pb2.UpdateCollectionRequest) -> CollectionChange:
    """Check a change of a collection.

    Raises:
        InvalidRequestError: nothing to change, or a value that cannot be.
    """
    change = CollectionChange(
        request.name,
        plan_state(request.state) if request.HasField("state") else None,
        plan_comment(request.comment) if request.HasField("comment") else None,
    )
    if (change.state, change.comment) == (None, None):
        raise InvalidRequestError(
            told("NOTHING_TO_CHANGE_COLLECTION", "nothing to change: give state or comment")
        )
    return change
