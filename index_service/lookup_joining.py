"""Small batches joined to one, and its answer taken apart again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from event_store.lookup.batch import Answer, Asked, Reply

# A batch and its place among those that wait.
Placed: TypeAlias = tuple[int, Asked]

# Above this a batch of its own costs less than joining it.
SMALL_PAIRS_MAX = 64


def parts(asked: Sequence[Asked]) -> list[list[Placed]]:
    """Return which batches are looked up as one: a large one alone, small ones together."""
    large = []
    small: dict[bool, list[Placed]] = {}
    for placed in enumerate(asked):
        one = placed[1]
        if len(one.events) > SMALL_PAIRS_MAX:
            large.append([placed])
        else:
            small.setdefault(one.with_olt, []).append(placed)
    return [*large, *small.values()]


def join(part: Sequence[Placed]) -> Asked:
    """Return one batch of all pairs of a part."""
    asked = [one for _, one in part]
    if len(asked) == 1:
        return asked[0]
    runs = [
        one.runs if len(one.runs) == len(one.events) else one.runs.repeat(len(one.events))
        for one in asked
    ]
    events = [one.events for one in asked]
    return Asked(np.concatenate(runs), np.concatenate(events), asked[0].with_olt)


def split(answer: Answer[Reply], part: Sequence[Placed]) -> Iterator[Answer[Reply]]:
    """Yield the answer to each batch of a part."""
    if len(part) == 1:
        yield answer
        return
    first = 0
    for _, one in part:
        own = slice(first, first + len(one.events))
        first = own.stop
        places = {0: 0}
        indexes = [
            places.setdefault(index, len(places)) for index in answer.file_indexes[own].tolist()
        ]
        yield Answer(
            [answer.files[index - 1] for index in places if index],
            np.array(indexes, np.uint32),
            None if answer.olt is None else answer.olt[own],
        )
