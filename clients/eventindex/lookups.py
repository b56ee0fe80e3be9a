"""Pairs as lookup requests, and responses as results. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eventindex.channel import PAIRS_PER_MESSAGE_MAX
from eventindex.errors import ServerError
from eventindex.lookup_messages import Request, Response, encode
from eventindex.pairs import Pairs, PairsLike, to_pairs
from eventindex.results import LookupResult

# Of so many files the longest names and addresses fit a message.
NAMED_PAIRS_MAX = 4_000


def pairs_max(with_file_names: bool) -> int:
    """Return how many pairs a message takes whose answer always fits one."""
    return NAMED_PAIRS_MAX if with_file_names else PAIRS_PER_MESSAGE_MAX


def slices(pairs: Pairs, pairs_max: int = PAIRS_PER_MESSAGE_MAX) -> Iterator[Pairs]:
    """Cut pairs into consecutive batches that fit a message."""
    for start in range(0, len(pairs.runs), pairs_max):
        part = slice(start, start + pairs_max)
        yield Pairs(pairs.runs[part], pairs.events[part])


def to_requests(
    batches: Iterable[PairsLike], with_olt_result: bool, with_file_names: bool = False
) -> Iterator[tuple[Request, Pairs]]:
    """Yield a request for each batch, numbered from 1, with its pairs.

    Raises:
        ValueError: a batch that is no pairs or more than fit a message.
    """
    return (
        numbered(number, batch, with_olt_result, with_file_names)
        for number, batch in enumerate(batches, 1)
    )


def numbered(
    number: int, batch: PairsLike, with_olt_result: bool, with_file_names: bool = False
) -> tuple[Request, Pairs]:
    """Return the request of a batch with its pairs.

    Raises:
        ValueError: a batch that is no pairs or more than fit a message.
    """
    pairs = to_pairs(batch)
    if len(pairs.runs) > PAIRS_PER_MESSAGE_MAX:
        raise ValueError(
            f"batch {number} has {len(pairs.runs):,} pairs, above {PAIRS_PER_MESSAGE_MAX:,}"
        )
    return encode(number, pairs, with_olt_result, with_file_names), pairs


def to_result(pairs: Pairs, response: Response, *, with_olt_result: bool) -> LookupResult:
    """Return the answer to a batch.

    Raises:
        ServerError: not one answer for each pair.
    """
    if len(response.file_indexes) != len(pairs.runs):
        raise ServerError(
            f"{len(response.file_indexes)} answers to {len(pairs.runs)} pairs in a batch"
        )
    return LookupResult(pairs, response, with_olt_result=with_olt_result)
