"""Lists of jobs as messages of the wire contract, and their answers back as results. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from eventindex.collection_names import RAW
from eventindex.lookup_messages import Question, decode, encode
from eventindex.pairs import Pairs
from eventindex.results import LookupResult, to_result
from eventindex.told import told
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
            raise Problem(404, "not-found", told("JOB_GONE", "the job is not there any more"))
        request = lookup_pb2.LookupRequest.FromString(chunk[0])
        events = np.array(request.event_numbers, np.int64)
        runs = np.array(request.run_numbers, np.int64)
        runs = np.repeat(runs, len(events)) if len(runs) == 1 else runs
        answer = decode(chunk[1])
        yield to_result(Pairs(runs, events), answer, with_olt_result=request.with_olt_result)


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
