"""Long work that Ctrl-C ends in good order."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from queue import Empty, SimpleQueue

# After Ctrl-C the work ends with the step it is at, or is left behind.
_LAST_STEP_SECONDS_MAX = 5.0


def in_background(work: Generator[None, None, None]) -> None:
    """Run work in a thread of its own and wait for it; Ctrl-C ends it where it yields.

    KeyboardInterrupt strikes the main thread anywhere. Where that is between a library's taking
    of a lock and the block that gives it back, the lock stays taken: gRPC's thread then waits for
    it, and closing the channel waits for that thread, for ever. A `SimpleQueue` has no such place.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
        BaseException: what the work raised.
    """
    outcome: SimpleQueue[BaseException | None] = SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        try:
            with contextlib.closing(work):
                for _ in work:
                    if stop.is_set():
                        break
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            outcome.put(error)
        else:
            outcome.put(None)

    try:
        threading.Thread(target=run, name="eventindex-work", daemon=True).start()
        error = outcome.get()
    except KeyboardInterrupt:
        stop.set()
        with contextlib.suppress(Empty):
            outcome.get(timeout=_LAST_STEP_SECONDS_MAX)
        raise
    if error is not None:
        raise error
