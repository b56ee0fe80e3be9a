"""Work that may hang, with a time limit: storage that does not answer must not hold the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

from eventindex.root_files.errors import RootFileError

T = TypeVar("T")

_END = object()


def within(seconds_max: float | None, work: Callable[[], T]) -> T:
    """Return what `work` returns, or leave it behind in its thread when it takes too long.

    Args:
        seconds_max: None for work that cannot hang; it then runs in the caller's thread.
        work: is called once.

    Raises:
        RootFileError: it took longer.
        BaseException: what the work raised.
    """
    if seconds_max is None:
        return work()
    outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            outcome.put((None, error))

    threading.Thread(target=run, name="eventindex-storage", daemon=True).start()
    try:
        value, error = outcome.get(timeout=seconds_max)
    except Empty:
        raise RootFileError(f"no answer within {seconds_max:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def each_within(seconds_max: float | None, steps: Iterator[T]) -> Iterator[T]:
    """Yield the items of an iterator, each of which has `seconds_max` to come."""
    while (step := within(seconds_max, lambda: next(steps, _END))) is not _END:
        yield step  # type: ignore[misc]
