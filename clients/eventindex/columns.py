"""Events to be stored, as columns. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.collection_names import RAW, wire_name
from eventindex.file_names import problem_of
from eventindex.limits import DSID_MAX, PAIRS_PER_MESSAGE_MAX
from eventindex.numbers import Int64, UInt64, checked_integer, is_array, to_bits, to_numbers
from eventindex.uuids import is_canonical_uuid, uuid_hint
from eventindex.v1 import event_pb2, ingest_pb2
from eventindex.values import RawFile
from eventindex.wire import packed_field

_FIELDS = event_pb2.EventBatch.DESCRIPTOR.fields_by_name


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns:
    """A batch of n events, up to 100,000, and the files that hold them.

    Attributes:
        files: the RAW files of the batch.
        run_numbers: one for all or one each, 0 to 2^63-1.
        event_numbers: shape (n,), 0 to 2^63-1.
        file_indexes: shape (n,), 1 is files[0], as in a `LookupResult`.
        olt_results: shape (n,), uint64; None when all are 0.
        collection: the name of the collection that all events belong to.
    """

    files: Sequence[RawFile]
    run_numbers: npt.ArrayLike
    event_numbers: npt.ArrayLike
    file_indexes: npt.ArrayLike
    olt_results: npt.ArrayLike | None = None
    collection: str = RAW

    def __len__(self) -> int:
        return len(np.asarray(self.event_numbers))


class SerializedBatch(NamedTuple):
    """A serialized EventBatch."""

    batch_id: int
    data: bytes


def serialize(batch_id: int, batch: EventColumns) -> SerializedBatch:
    """Return a batch as the wire carries it.

    Raises:
        ValueError: columns of different lengths, more events than a message takes, a file id
            that is no UUID, or a number out of range; names the index and the value.
    """
    runs = _run_numbers(batch.run_numbers)
    events = to_numbers(batch.event_numbers, "event_number")
    count = len(events)
    if count > PAIRS_PER_MESSAGE_MAX:
        raise ValueError(f"a batch has {count:,} events, above {PAIRS_PER_MESSAGE_MAX:,}")
    if len(runs) not in {1, count}:
        raise ValueError(f"there are {len(runs)} run numbers for {count} events")
    rest = event_pb2.EventBatch(
        batch_id=batch_id,
        files=[_file_message(index, file) for index, file in enumerate(batch.files)],
        collection=wire_name(batch.collection),
    )
    # The fields of a message may be concatenated.
    data = b"".join(
        (
            rest.SerializeToString(),
            packed_field(_FIELDS["run_numbers"].number, shortest(runs)),
            packed_field(_FIELDS["event_numbers"].number, events),
            packed_field(_FIELDS["file_indexes"].number, _file_indexes(batch, count)),
            packed_field(_FIELDS["olt_results"].number, _olt_results(batch, count)),
        )
    )
    return SerializedBatch(batch_id, data)


def to_cosmic_message(
    batch_id: int, records: Sequence[bytes], detector_id: str
) -> ingest_pb2.CosmicBatch:
    """Return telescope records as the wire carries them."""
    if len(records) > PAIRS_PER_MESSAGE_MAX:
        raise ValueError(f"a batch has {len(records):,} events, above {PAIRS_PER_MESSAGE_MAX:,}")
    return ingest_pb2.CosmicBatch(batch_id=batch_id, detector_id=detector_id, records=records)


def _run_numbers(given: object) -> Int64:
    one = isinstance(given, int) or (is_array(given) and np.ndim(given) == 0)  # type: ignore[arg-type]
    return to_numbers([given] if one or np.isscalar(given) else given, "run_number")


def shortest(runs: Int64) -> Int64:
    """Return one run number where all are equal, else all."""
    one = len(runs) > 1 and runs[0] == runs[-1] and bool((runs == runs[0]).all())
    return runs[:1] if one else runs


def _file_message(index: int, file: RawFile) -> event_pb2.RawFile:
    fuid: object = file.fuid_raw
    if not isinstance(fuid, str) or not is_canonical_uuid(fuid):
        raise ValueError(f"fuid_raw of file {index} is {fuid!r}, not a UUID{uuid_hint(fuid)}")
    dsid = checked_integer(file.dsid_raw, f"dsid_raw of file {index}", DSID_MAX)
    message = event_pb2.RawFile(fuid_raw=fuid, dsid_raw=dsid)
    if file.name or file.bytes or file.checksum:
        problem = problem_of(file.name, file.bytes, file.checksum)
        if problem:
            raise ValueError(f"file {index}: {problem}")
        message.name, message.bytes, message.checksum = file.name, file.bytes, file.checksum
    return message


def _file_indexes(batch: EventColumns, count: int) -> Int64:
    indexes = to_numbers(batch.file_indexes, "file_index")
    if len(indexes) != count:
        raise ValueError(f"there are {len(indexes)} file indexes for {count} events")
    bad = (indexes < 1) | (indexes > len(batch.files))
    if bad.any():
        index = int(np.argmax(bad))
        raise ValueError(
            f"file_index {index} is {indexes[index]}, and there are {len(batch.files)} files"
        )
    return indexes


def _olt_results(batch: EventColumns, count: int) -> UInt64:
    if batch.olt_results is None:
        return np.empty(0, np.uint64)
    try:
        bits = to_bits(batch.olt_results, "olt_result")
    except ValueError as error:
        raise ValueError(f"olt_results must be integers from 0 to 2^64-1: {error}") from None
    if bits.shape != (count,):
        raise ValueError(f"olt_results has shape {bits.shape}, not ({count},)")
    return bits
