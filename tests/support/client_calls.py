"""Sample events of a server that the client's calls are tried on, and what they should answer."""

from __future__ import annotations

from typing import Any

import numpy as np

import eventindex
from tests.support.client import Server, Store, fuid

RUNS, EVENTS = 5, 1000


def sample_store() -> Store:
    return {
        (run, event): (fuid(run * 10 + event % 3), run, event % 7)
        for run in range(1, RUNS + 1)
        for event in range(EVENTS)
        if event % 10
    }


def batch(number: int, size: int = 20) -> np.ndarray:
    """A batch that differs from every other in its first pair."""
    events = (number * 7 + np.arange(size)) % EVENTS
    return np.column_stack([np.full(size, number % RUNS + 1), events])


def assert_answers(server: Server, result: eventindex.LookupResult, pairs: Any) -> None:
    expected = [server.store.get((int(run), int(event))) for run, event in pairs]
    assert list(result.fuids()) == [known and known[0] for known in expected]
    assert result.found == sum(known is not None for known in expected)
    assert result.found + result.not_found == len(result) == len(pairs)


PAIRS = [(1, 1), (2, 10), (1, 4), (5, 999), (9, 1)]
