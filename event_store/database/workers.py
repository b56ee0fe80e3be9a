"""Threads for work that waits: of those that are idle the one that worked last is taken.

An executor of the standard library wakes them in turn. Here a caller that comes alone always has
the same connection, whose memory, and that of its server process, is still in a core's cache.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class _Work(NamedTuple):
    future: Future[Any]
    call: Callable[[], Any]


# Where a thread gets its next work; None ends it.
_Inbox: TypeAlias = "SimpleQueue[_Work | None]"


class Workers:
    """At most `threads_max` threads; more work than that waits in its order."""

    def __init__(self, threads_max: int, name: str) -> None:
        self._threads_max = threads_max
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[_Inbox] = []
        self._waiting: deque[_Work] = deque()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call it.

        Raises:
            RuntimeError: it is closed.
        """
        future: Future[T] = Future()
        work = _Work(future, call)
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the {self._name} threads are closed")
            if self._idle:
                self._idle.pop().put(work)
            elif len(self._threads) < self._threads_max:
                self._start(work)
            else:
                self._waiting.append(work)
        return future

    def close(self) -> None:
        """Cancel what waits, and wait for what runs."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().future.cancel()
            while self._idle:
                self._idle.pop().put(None)
        for thread in self._threads:
            thread.join()

    def _start(self, work: _Work) -> None:
        inbox: _Inbox = SimpleQueue()
        inbox.put(work)
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._run, args=(inbox,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, inbox: _Inbox) -> None:
        while (work := inbox.get()) is not None:
            if work.future.set_running_or_notify_cancel():
                settle = _outcome(work)
                # Idle before anybody knows: who comes with more at once has this thread again.
                self._go_on(inbox)
                settle()
                del settle
            else:
                self._go_on(inbox)
            # What it was about is not held while the thread waits.
            del work

    def _go_on(self, inbox: _Inbox) -> None:
        """Take work that waits; without any the thread is idle, or ends."""
        with self._lock:
            if self._waiting:
                inbox.put(self._waiting.popleft())
            elif self._closed:
                inbox.put(None)
            else:
                self._idle.append(inbox)


def _outcome(work: _Work) -> Callable[[], None]:
    """Do the work; returns what tells its outcome."""
    try:
        result = work.call()
    except BaseException as error:  # noqa: BLE001  # raised again to whoever waits
        return partial(work.future.set_exception, error)
    return partial(work.future.set_result, result)
