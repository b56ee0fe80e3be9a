"""From answers to response messages. Pure.

A response with thousands of files is put together from the encoded message of each file, made
once when its page is cached: fields of a protobuf message may be concatenated. The files come
last, so that a reader finds the columns without stepping through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from event_store.lookup.batch import Answer, Asked
from event_store.model import DatasetState, fuid_text
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire import number_field, packed_field

_FIELDS = lookup_pb2.LookupResponse.DESCRIPTOR.fields_by_name
_BATCH_ID, _FOUND, _NOT_FOUND, _FIRST_FILE, _FILE_INDEXES, _OLT_RESULTS = (
    _FIELDS[name].number
    for name in (
        "batch_id",
        "found",
        "not_found",
        "first_file_index",
        "file_indexes",
        "olt_results",
    )
)
_NO_FUID = fuid_text(bytes(16))


def encode_file(fuid: bytes, dsid: int, state: DatasetState) -> bytes:
    """Return a RAW file as it stands in a LookupResponse: the field `files` with one message."""
    before, after = _around_fuid(dsid, state)
    return before + fuid_text(fuid).encode() + after


@lru_cache(maxsize=1024)
def _around_fuid(dsid: int, state: DatasetState) -> tuple[bytes, bytes]:
    """Return what stands around the id in the files of a dataset: thousands may be read at once."""
    file = event_pb2.RawFile(
        fuid_raw=_NO_FUID, dsid_raw=dsid, dataset_state=event_pb2.DatasetState.Name(state)
    )
    whole = lookup_pb2.LookupResponse(files=[file]).SerializeToString()
    before, _, after = whole.partition(_NO_FUID.encode())
    return before, after


def runs_of_files(asked: Asked, answer: Answer[bytes]) -> list[int]:
    """Return for each file of an answer the run of the first pair that is in it."""
    indexes, places = np.unique(answer.file_indexes, return_index=True)
    places = places[indexes > 0]
    runs: list[int] = (
        asked.runs[places] if len(asked.runs) > 1 else asked.runs.repeat(len(places))
    ).tolist()
    return runs


def encode_lookup(asked: Asked, answer: Answer[bytes], first_file_index: int = 0) -> bytes:
    """Return the LookupResponse to a batch, serialized.

    `first_file_index` is the number of the first file in the list of the stream, 0 without one.
    """
    found = int(np.count_nonzero(answer.file_indexes))
    return b"".join(
        (
            number_field(_BATCH_ID, asked.batch_id),
            number_field(_FOUND, found),
            number_field(_NOT_FOUND, len(answer.file_indexes) - found),
            number_field(_FIRST_FILE, first_file_index),
            packed_field(_FILE_INDEXES, answer.file_indexes),
            b"" if answer.olt is None else packed_field(_OLT_RESULTS, answer.olt),
            _others(answer.other_collections),
            *answer.files,
        )
    )


def _others(names: Sequence[str]) -> bytes:
    if not names:
        return b""
    return lookup_pb2.LookupResponse(other_collections=names).SerializeToString()


def event_response(asked: Asked, answer: Answer[bytes]) -> lookup_pb2.GetEventResponse:
    """Return the response to a single pair that was found."""
    file = lookup_pb2.LookupResponse.FromString(answer.files[0]).files[0]
    return lookup_pb2.GetEventResponse(
        event=event_pb2.Event(
            run_number=int(asked.runs[0]),
            event_number=int(asked.events[0]),
            olt_result=0 if answer.olt is None else int(answer.olt[0]),
            dsid_raw=file.dsid_raw,
            fuid_raw=file.fuid_raw,
        ),
        file=file,
    )
