"""Threads that take work, the one that worked last before others."""

from __future__ import annotations

import threading

import pytest

from event_store.database.workers import Workers


def test_a_caller_that_comes_alone_always_has_the_same_thread():
    """One after the other needs one thread; several at once have one each, up to the bound."""
    workers, together = Workers(3, "test"), threading.Barrier(3)
    alone = [workers.submit(threading.get_ident).result() for _ in range(20)]
    assert len(set(alone)) == 1

    def meet() -> int:
        together.wait(20)
        return threading.get_ident()

    # Three at a time meet, so six need each thread twice.
    met = [future.result(20) for future in [workers.submit(meet) for _ in range(6)]]
    assert len(set(met)) == 3
    assert set(alone) <= set(met)
    workers.close()


def test_an_error_is_raised_to_the_one_who_waits_and_the_thread_goes_on():
    """The next work is done by the same thread."""
    workers = Workers(1, "test")
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result(20)
    assert workers.submit(lambda: 5).result(20) == 5
    workers.close()


def test_closing_waits_for_what_runs_and_cancels_what_waits():
    """Nothing is taken any more afterwards."""
    workers, begun, go_on = Workers(1, "test"), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go_on.wait(20)
        return "done"

    running, waiting = workers.submit(work), workers.submit(work)
    assert begun.wait(20)
    closing = threading.Thread(target=workers.close)
    closing.start()
    assert waiting.cancelled() or not waiting.done()
    go_on.set()
    closing.join(20)
    assert not closing.is_alive()
    assert running.result(0) == "done"
    assert waiting.cancelled()
    with pytest.raises(RuntimeError):
        workers.submit(work)
