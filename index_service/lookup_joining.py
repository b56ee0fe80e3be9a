"""Small batches joined to one, and its answer taken apart again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from event_store.lookup.batch import Answer, Reply
from index_service.lookup_plan import LookupPlan

# A batch and its place among those that wait.
Placed: TypeAlias = tuple[int, LookupPlan]

# Above this a batch of its own costs less than joining it.
SMALL_PAIRS_MAX = 64


def parts(plans: Sequence[LookupPlan]) -> list[list[Placed]]:
    """Which batches are looked up as one: a large one alone, small ones together."""
    large = []
    small: dict[tuple[bool, str], list[Placed]] = {}
    for placed in enumerate(plans):
        plan = placed[1]
        if len(plan.events) > SMALL_PAIRS_MAX:
            large.append([placed])
        else:
            small.setdefault((plan.with_olt, plan.collection), []).append(placed)
    return [*large, *small.values()]


def join(part: Sequence[Placed]) -> LookupPlan:
    """One batch of all pairs of a part."""
    plans = [plan for _, plan in part]
    if len(plans) == 1:
        return plans[0]
    runs = [
        plan.runs if len(plan.runs) == len(plan.events) else plan.runs.repeat(len(plan.events))
        for plan in plans
    ]
    events = [plan.events for plan in plans]
    return LookupPlan(0, np.concatenate(runs), np.concatenate(events), *plans[0][3:])


def split(answer: Answer[Reply], part: Sequence[Placed]) -> Iterator[Answer[Reply]]:
    """The answer to each batch of a part."""
    if len(part) == 1:
        yield answer
        return
    first = 0
    for _, plan in part:
        own = slice(first, first + len(plan.events))
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
