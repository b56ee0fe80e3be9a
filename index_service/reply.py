"""From answers to response messages. Pure.

A response with thousands of files is put together from the encoded message of each file, made
once when its page is cached: fields of a protobuf message may be concatenated.
"""

from __future__ import annotations

import numpy as np

from event_store.catalogue import RunRow, fuid_text
from event_store.lookup_batch import Answer
from event_store.model import DatasetState
from eventindex.v1 import event_pb2, lookup_pb2
from index_service.plan import LookupPlan, RunsPlan


def encode_file(fuid: bytes, dsid: int, state: DatasetState) -> bytes:
    """A RAW file as it stands in a LookupResponse: the field `files` with one message."""
    file = event_pb2.RawFile(
        fuid_raw=fuid_text(fuid),
        dsid_raw=dsid,
        dataset_state=event_pb2.DatasetState.Name(state),
    )
    return lookup_pb2.LookupResponse(files=[file]).SerializeToString()


def encode_lookup(plan: LookupPlan, answer: Answer[bytes]) -> bytes:
    """The LookupResponse to a batch, serialized."""
    found = int(np.count_nonzero(answer.file_indexes))
    response = lookup_pb2.LookupResponse(
        batch_id=plan.batch_id,
        file_indexes=answer.file_indexes.tolist(),
        olt_results=None if answer.olt is None else answer.olt.tolist(),
        found=found,
        not_found=len(answer.file_indexes) - found,
    )
    return response.SerializeToString() + b"".join(answer.files)


def event_response(plan: LookupPlan, answer: Answer[bytes]) -> lookup_pb2.GetEventResponse:
    """The response to a single pair that was found."""
    file = lookup_pb2.LookupResponse.FromString(answer.files[0]).files[0]
    return lookup_pb2.GetEventResponse(
        event=event_pb2.Event(
            run_number=int(plan.runs[0]),
            event_number=int(plan.events[0]),
            olt_result=0 if answer.olt is None else int(answer.olt[0]),
            dsid_raw=file.dsid_raw,
            fuid_raw=file.fuid_raw,
        ),
        file=file,
    )


def runs_response(plan: RunsPlan, rows: list[RunRow]) -> lookup_pb2.ListRunsResponse:
    """A page of runs; `rows` holds one more than the page where there are more."""
    page = rows[: plan.limit]
    return lookup_pb2.ListRunsResponse(
        runs=[_run(row) for row in page],
        next_page_token=str(page[-1].run_number) if len(rows) > plan.limit else "",
    )


def _run(row: RunRow) -> lookup_pb2.Run:
    run = lookup_pb2.Run(
        run_number=row.run_number,
        events=row.n_events,
        event_first=row.first_event,
        event_last=row.last_event,
        files=row.n_files,
        conflicts=row.n_conflicts,
        detector_id=row.detector_id,
    )
    run.first_seen.FromDatetime(row.first_seen)
    run.last_seen.FromDatetime(row.last_seen)
    return run
