"""Rows that both services answer, as messages of the contract. Pure."""

from __future__ import annotations

from event_store.model import unsigned
from event_store.select.collections import CollectionRow
from event_store.select.lists import ConflictRow, DatasetRow
from event_store.telescope.names import detector_of_collection
from eventindex.v1 import event_pb2, lookup_pb2


def dataset_message(row: DatasetRow) -> lookup_pb2.Dataset:
    """Return a dataset."""
    dataset = lookup_pb2.Dataset(
        dsid_raw=row.dsid_raw,
        name=row.name,
        state=event_pb2.DatasetState.Name(row.state),
        comment=row.comment,
        events=row.n_events,
        files=row.n_files,
        collection=row.collection,
    )
    dataset.created.FromDatetime(row.created)
    return dataset


def collection_message(row: CollectionRow) -> lookup_pb2.Collection:
    """Return a collection."""
    collection = lookup_pb2.Collection(
        name=row.name,
        made_from=row.made_from,
        state=event_pb2.DatasetState.Name(row.state),
        comment=row.comment,
        events=row.n_events,
        runs=row.n_runs,
        detector_id=detector_of_collection(row.name),
    )
    collection.created.FromDatetime(row.created)
    return collection


def conflict_message(row: ConflictRow) -> lookup_pb2.Conflict:
    """Return a conflict."""
    conflict = lookup_pb2.Conflict(
        conflict_id=row.conflict_id,
        stored=_event(row, row.stored_fuid_raw, row.stored_dsid_raw, row.stored_olt_result),
        offered=_event(row, row.offered_fuid_raw, row.offered_dsid_raw, row.offered_olt_result),
        source=row.source,
        times=row.times,
        stored_record=row.stored_record,
        offered_record=row.offered_record,
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        collection=row.collection_name,
    )
    conflict.first_seen.FromDatetime(row.first_seen)
    conflict.last_seen.FromDatetime(row.last_seen)
    if row.resolved is not None:
        conflict.resolved.FromDatetime(row.resolved)
    return conflict


def _event(row: ConflictRow, fuid: str, dsid: int, olt: int) -> event_pb2.Event:
    return event_pb2.Event(
        run_number=row.run_number,
        event_number=row.event_number,
        olt_result=unsigned(olt),
        dsid_raw=dsid,
        fuid_raw=fuid,
    )
