"""Lists of jobs as messages of the wire contract, and their answers back as results. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from io import BytesIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from eventindex.collection_names import RAW
from eventindex.lookup_messages import Question, decode, encode
from eventindex.pairs import Pairs, to_pairs
from eventindex.results import LookupResult, to_result
from eventindex.v1 import lookup_pb2
from rest_gateway.lists.block import ListBlock
from rest_gateway.lists.spool import ListCheck
from rest_gateway.problems import Problem

# A few hundred kilobytes, answered within a second.
CHUNK_PAIRS = 50_000

ReadChunk = Callable[[int], tuple[bytes, bytes] | None]


def to_chunks(
    blocks: Iterable[ListBlock], check: ListCheck, *, olt: bool, collection: str = RAW
) -> Iterator[bytes]:
    """Yield the requests of a list, each of 50,000 pairs but the last.

    Raises:
        Problem: the list is too long or not one.
    """
    waiting: list[Pairs] = []
    count = 0
    for block in blocks:
        check.add(block)
        waiting.append(block.pairs)
        count += len(block.pairs.runs)
        if count >= CHUNK_PAIRS:
            *whole, rest = _cut(_joined(waiting))
            yield from (_to_bytes(pairs, olt, collection) for pairs in whole)
            waiting, count = [rest], len(rest.runs)
    check.end()
    if count:
        last = [pairs for pairs in _cut(_joined(waiting)) if len(pairs.runs)]
        yield from (_to_bytes(pairs, olt, collection) for pairs in last)


def collection_of(request: bytes) -> str:
    """Return the collection that a chunk asks."""
    return lookup_pb2.LookupRequest.FromString(request).collection or RAW


def to_results(read: ReadChunk, chunks: int) -> Generator[LookupResult, None, None]:
    """Yield the answers to a list, a result for each chunk.

    Raises:
        Problem: 404, the job went away in between.
    """
    for chunk_no in range(chunks):
        chunk = read(chunk_no)
        if chunk is None:
            raise Problem(404, "not-found", "the job is not there any more")
        request = lookup_pb2.LookupRequest.FromString(chunk[0])
        events = np.array(request.event_numbers, np.int64)
        runs = np.array(request.run_numbers, np.int64)
        runs = np.repeat(runs, len(events)) if len(runs) == 1 else runs
        answer = decode(chunk[1])
        yield to_result(Pairs(runs, events), answer, with_olt_result=request.with_olt_result)


def parquet_blocks(results: Iterable[LookupResult], *, olt: bool) -> Generator[bytes, None, None]:
    """Yield a Parquet file in pieces, a row group for each result."""
    empty = to_result(to_pairs([]), decode(b""), with_olt_result=False).to_arrow().schema
    schema = empty.append(pa.field("olt_result", pa.uint64())) if olt else empty
    buffer = BytesIO()
    with parquet.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for result in results:
            writer.write_table(result.to_arrow().select(schema.names).cast(schema))
            yield _drained(buffer)
    yield _drained(buffer)


def _joined(parts: list[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([part.runs for part in parts]),
        np.concatenate([part.events for part in parts]),
    )


def _cut(pairs: Pairs) -> list[Pairs]:
    """Return whole chunks, and behind them a rest that may be empty."""
    starts = range(0, len(pairs.runs) + 1, CHUNK_PAIRS)
    return [
        Pairs(pairs.runs[s : s + CHUNK_PAIRS], pairs.events[s : s + CHUNK_PAIRS]) for s in starts
    ]


def _to_bytes(pairs: Pairs, olt: bool, collection: str) -> bytes:
    return encode(1, pairs, Question(olt, collection)).data


def _drained(buffer: BytesIO) -> bytes:
    """Return what was written since the last time; the writer counts on by itself."""
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data
