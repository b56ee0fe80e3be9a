"""Pairs as lookup requests, and responses as results. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eventindex.channel import PAIRS_PER_MESSAGE_MAX
from eventindex.errors import ServerError
from eventindex.pairs import Pairs, PairsLike, to_pairs
from eventindex.results import LookupResult
from eventindex.v1 import lookup_pb2


def slices(pairs: Pairs) -> Iterator[Pairs]:
    """Cut pairs into consecutive batches that fit a message."""
    for start in range(0, len(pairs.runs), PAIRS_PER_MESSAGE_MAX):
        part = slice(start, start + PAIRS_PER_MESSAGE_MAX)
        yield Pairs(pairs.runs[part], pairs.events[part])


def to_requests(
    batches: Iterable[PairsLike], with_olt_result: bool
) -> Iterator[tuple[lookup_pb2.LookupRequest, Pairs]]:
    """Yield a request for each batch, numbered from 1, with its pairs.

    Raises:
        ValueError: a batch that is no pairs or more than fit a message.
    """
    for number, batch in enumerate(batches, 1):
        pairs = to_pairs(batch)
        if len(pairs.runs) > PAIRS_PER_MESSAGE_MAX:
            raise ValueError(
                f"batch {number} has {len(pairs.runs):,} pairs, above {PAIRS_PER_MESSAGE_MAX:,}"
            )
        yield to_request(number, pairs, with_olt_result), pairs


def to_request(batch_id: int, pairs: Pairs, with_olt_result: bool) -> lookup_pb2.LookupRequest:
    """Return one batch as the wire carries it; a run number that all share is sent once."""
    runs, events = pairs
    one_run = len(runs) > 0 and bool((runs == runs[0]).all())
    return lookup_pb2.LookupRequest(
        batch_id=batch_id,
        run_numbers=runs[:1].tolist() if one_run else runs.tolist(),
        event_numbers=events.tolist(),
        with_olt_result=with_olt_result,
    )


def to_result(pairs: Pairs, message: lookup_pb2.LookupResponse) -> LookupResult:
    """Return the answer to a batch.

    Raises:
        ServerError: not one answer for each pair.
    """
    if len(message.file_indexes) != len(pairs.runs):
        raise ServerError(
            f"{len(message.file_indexes)} answers to {len(pairs.runs)} pairs in a batch"
        )
    return LookupResult(pairs, message)
