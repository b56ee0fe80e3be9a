"""The numbers of the cached pages' RAW files."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from event_store.lookup import cached_files
from event_store.lookup.cached_files import CachedFiles, file_keys
from event_store.pages.format import FUID_DTYPE


def acquire(files, first, n):
    """Use n files with the ids from `first` on; their reply is their id as a number."""
    ids = b"".join(number.to_bytes(16, "big") for number in range(first, first + n))
    return files.acquire(file_keys(np.frombuffer(ids, FUID_DTYPE), np.ones(n, np.int32)))


def reply(fuid, _dsid, _state):
    return int.from_bytes(fuid, "big")


def test_files_that_nobody_uses_any_more_take_little_memory():
    """Of many files that were used once a few bytes are left, and those in use are right."""
    tracemalloc.start()
    try:
        files = CachedFiles(reply)
        kept = acquire(files, 0, 10)
        files.release(acquire(files, 1000, 50_000))
        assert tracemalloc.get_traced_memory()[0] < 3 << 20
    finally:
        tracemalloc.stop()
    assert len(files) == 10
    again = acquire(files, 5, 100)
    assert files.answer(kept)[0] == list(range(10))
    replies, places = files.answer(again)
    assert [replies[place - 1] for place in places] == list(range(5, 105))


def test_an_answer_that_fails_leaves_nothing_to_the_next(monkeypatch):
    """When memory runs out in the middle of an answer, its files are not in later ones."""
    files = CachedFiles(reply)
    numbers = acquire(files, 0, 10)
    with monkeypatch.context() as patch:
        patch.setattr(cached_files.np, "flatnonzero", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            files.answer(numbers)
    assert files.answer(numbers[3:5])[0] == [3, 4]
