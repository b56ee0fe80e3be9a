"""Values of the client as documents of the REST API. Pure."""

from __future__ import annotations

import base64
from typing import Any

from eventindex import admin_results, catalogue_results, file_results, results
from eventindex.results import DatasetState
from eventindex.text_rows import NAME_FIELDS
from rest_gateway.answers import cosmic_schemas, letter_schemas, schemas


def event_document(event: results.Event) -> schemas.Event:
    """Return an event."""
    return schemas.Event(
        run_number=event.run_number,
        event_number=event.event_number,
        olt_result=event.olt_result,
        dsid_raw=event.file.dsid_raw,
        fuid_raw=event.file.fuid_raw,
        dataset_state=_state(event.file.dataset_state),
    )


def named_event_document(event: results.Event) -> schemas.NamedEvent:
    """Return an event with what is noted of its file."""
    return schemas.NamedEvent(**event_document(event).model_dump(), **_names(event.file))


def dataset_document(dataset: catalogue_results.Dataset) -> schemas.Dataset:
    """Return a dataset."""
    return schemas.Dataset(**{**dataset._asdict(), "state": _state(dataset.state)})


def file_document(file: catalogue_results.FileOfRun) -> schemas.FileOfRun:
    """Return a file of a run."""
    return schemas.FileOfRun(
        fuid_raw=file.file.fuid_raw,
        dsid_raw=file.file.dsid_raw,
        dataset_state=_state(file.file.dataset_state),
        run_number=file.run_number,
        events=file.events,
        event_first=file.event_first,
        event_last=file.event_last,
        collection=file.collection,
        **_names(file.file),
    )


def related_document(related: file_results.RelatedFile) -> schemas.RelatedFile:
    """Return a file that shares events with another one."""
    return schemas.RelatedFile(
        fuid_raw=related.file.fuid_raw,
        dsid_raw=related.file.dsid_raw,
        dataset_state=_state(related.file.dataset_state),
        collection=related.collection,
        events=related.events,
        name=related.file.name or None,
    )


def conflict_document(conflict: catalogue_results.Conflict) -> schemas.Conflict:
    """Return a conflict."""
    values = conflict._asdict()
    for name in ("stored", "offered"):
        values[name] = event_document(values[name])
    return schemas.Conflict(**values)


def cosmic_document(event: catalogue_results.CosmicEvent) -> cosmic_schemas.CosmicEvent:
    """Return a telescope's record."""
    values = event._asdict()
    values["tdc"] = {name: channel._asdict() for name, channel in event.tdc.items()}
    return cosmic_schemas.CosmicEvent(**values)


def dead_letter_document(
    letter: admin_results.DeadLetter,
) -> letter_schemas.DeadLetterWithPayload:
    """Return a refused message."""
    values = letter._asdict()
    payload: bytes = values.pop("payload")
    return letter_schemas.DeadLetterWithPayload(
        **values, payload_base64=base64.b64encode(payload).decode()
    )


def _state(state: DatasetState) -> schemas.State:
    names: dict[DatasetState, schemas.State] = {
        DatasetState.OPEN: "open",
        DatasetState.FROZEN: "frozen",
        DatasetState.RETIRED: "retired",
    }
    return names.get(state, "unknown")


def _names(file: results.RawFile) -> dict[str, Any]:
    """Return what is noted of a file; what is not is null."""
    return {field: getattr(file, field) or None for field in NAME_FIELDS}
