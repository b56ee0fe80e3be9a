"""LookupRequest and LookupResponse with their columns as arrays, and the calls that carry them.

The same bytes as the generated classes make and read, without a Python object a value. What is
not in the shape that the service sends is decoded by the generated class. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import grpc
import numpy as np
import numpy.typing as npt

from eventindex.collection_names import RAW, wire_name
from eventindex.limits import PAIRS_PER_MESSAGE_MAX
from eventindex.pairs import Pairs, PairsLike, to_pairs
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire import count_varints, fields, number_field, packed_field, varint_values
from eventindex.wire_counts import check, may_have_more

_SERVICE = lookup_pb2.DESCRIPTOR.services_by_name["IndexService"].full_name
_ASKED = lookup_pb2.LookupRequest.DESCRIPTOR.fields_by_name
_ANSWERED = lookup_pb2.LookupResponse.DESCRIPTOR.fields_by_name
_BATCH_ID, _FOUND, _NOT_FOUND, _FIRST_FILE, _INDEXES, _OLT, _FILES = (
    _ANSWERED[name].number
    for name in (
        "batch_id",
        "found",
        "not_found",
        "first_file_index",
        "file_indexes",
        "olt_results",
        "files",
    )
)
_NUMBERS, _COLUMNS = (_BATCH_ID, _FOUND, _NOT_FOUND, _FIRST_FILE), (_INDEXES, _OLT)
_KINDS = dict.fromkeys(_NUMBERS, int) | dict.fromkeys(_COLUMNS, memoryview)

# Of so many files the longest names and addresses fit a message.
NAMED_PAIRS_MAX = 4_000


class Question(NamedTuple):
    """What is asked of every pair of a batch."""

    with_olt_result: bool = False
    collection: str = RAW
    with_file_names: bool = False
    files_of_stream: bool = False
    commit_token: str = ""


class Request(NamedTuple):
    """A serialized LookupRequest."""

    batch_id: int
    data: bytes


class Response(NamedTuple):
    """A LookupResponse; the columns are uint32 and uint64, shape (n,) or, where empty, (0,).

    Where `first_file_index` is not 0, the file indexes mean the list of the stream, in which
    `files` has that place.
    """

    batch_id: int
    files: Sequence[event_pb2.RawFile]
    file_indexes: npt.NDArray[np.uint32]
    olt_results: npt.NDArray[np.uint64]
    found: int
    not_found: int
    first_file_index: int = 0
    other_collections: tuple[str, ...] = ()


class LookupCalls:
    """The lookups of IndexService on a channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        # Named as in the contract.
        self.Lookup: grpc.UnaryUnaryMultiCallable[Request, Response] = channel.unary_unary(
            f"/{_SERVICE}/Lookup", attrgetter("data"), decode
        )
        self.LookupStream: grpc.StreamStreamMultiCallable[Request, Response] = (
            channel.stream_stream(f"/{_SERVICE}/LookupStream", attrgetter("data"), decode)
        )


def pairs_max(with_file_names: bool) -> int:
    """Return how many pairs a message takes whose answer always fits one."""
    return NAMED_PAIRS_MAX if with_file_names else PAIRS_PER_MESSAGE_MAX


def slices(pairs: Pairs, pairs_max: int = PAIRS_PER_MESSAGE_MAX) -> Iterator[Pairs]:
    """Cut pairs into consecutive batches that fit a message."""
    for start in range(0, len(pairs.runs), pairs_max):
        part = slice(start, start + pairs_max)
        yield Pairs(pairs.runs[part], pairs.events[part])


def to_requests(
    batches: Iterable[PairsLike], question: Question
) -> Iterator[tuple[Request, Pairs]]:
    """Yield a request for each batch, numbered from 1, with its pairs.

    Raises:
        ValueError: a batch that is no pairs or more than fit a message.
    """
    return (numbered(number, batch, question) for number, batch in enumerate(batches, 1))


def numbered(number: int, batch: PairsLike, question: Question) -> tuple[Request, Pairs]:
    """Return the request of a batch with its pairs.

    Raises:
        ValueError: a batch that is no pairs or more than fit a message.
    """
    pairs = to_pairs(batch)
    if len(pairs.runs) > PAIRS_PER_MESSAGE_MAX:
        raise ValueError(
            f"batch {number} has {len(pairs.runs):,} pairs, above {PAIRS_PER_MESSAGE_MAX:,}"
        )
    return encode(number, pairs, question), pairs


def encode(batch_id: int, pairs: Pairs, question: Question) -> Request:
    """Serialize a batch; a run number that all share is sent once."""
    runs, events = pairs
    one_run = len(runs) > 0 and bool((runs == runs[0]).all())
    return Request(
        batch_id,
        b"".join(
            (
                number_field(_ASKED["batch_id"].number, batch_id),
                packed_field(_ASKED["run_numbers"].number, runs[:1] if one_run else runs),
                packed_field(_ASKED["event_numbers"].number, events),
                number_field(_ASKED["with_olt_result"].number, question.with_olt_result),
                _text_fields(question),
                number_field(_ASKED["files_of_stream"].number, question.files_of_stream),
                number_field(_ASKED["with_file_names"].number, question.with_file_names),
            )
        ),
    )


def _text_fields(question: Question) -> bytes:
    name, token = wire_name(question.collection), question.commit_token
    if not name and not token:
        return b""
    return lookup_pb2.LookupRequest(collection=name, commit_token=token).SerializeToString()


def decode(data: bytes) -> Response:
    """Read a serialized LookupResponse.

    Raises:
        google.protobuf.message.DecodeError: it is none, or has a list longer than any answer's.
    """
    response = _decode_columns(data)
    if response is None:
        check(data, lookup_pb2.LookupResponse)
        response = _from_message(lookup_pb2.LookupResponse.FromString(data))
    return response


def _decode_columns(data: bytes) -> Response | None:
    """Read a response whose columns come before its files; None for another one."""
    read = fields(data, until=_FILES)
    if read is None:
        return None
    found, end = read
    values = dict(found)
    files = data[end:]
    if may_have_more(files, _FILES, PAIRS_PER_MESSAGE_MAX):
        return None
    rest = lookup_pb2.LookupResponse.FromString(files)
    if (
        len(values) < len(found)
        or any(not isinstance(value, _KINDS.get(number, ())) for number, value in found)
        or any(field.number != _FILES for field, _ in rest.ListFields())
    ):
        return None
    columns = values.get(_INDEXES, b""), values.get(_OLT, b"")
    if max(map(count_varints, columns)) > PAIRS_PER_MESSAGE_MAX:
        return None
    indexes = varint_values(columns[0], np.uint32)
    olt = varint_values(columns[1], np.uint64)
    if indexes is None or olt is None:
        return None
    return Response(
        values.get(_BATCH_ID, 0),
        rest.files,
        indexes,
        olt,
        values.get(_FOUND, 0),
        values.get(_NOT_FOUND, 0),
        values.get(_FIRST_FILE, 0),
    )


def _from_message(message: lookup_pb2.LookupResponse) -> Response:
    return Response(
        message.batch_id,
        message.files,
        np.array(message.file_indexes, np.uint32),
        np.array(message.olt_results, np.uint64),
        message.found,
        message.not_found,
        message.first_file_index,
        tuple(message.other_collections),
    )
