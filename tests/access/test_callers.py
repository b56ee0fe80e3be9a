"""How much one subject may have at once over HTTP, whatever address it comes from."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx

from tests.access.conftest import CALLS_MAX, Doors
from tests.support.processes import wait_until

LIST = {"Content-Type": "text/plain", "EventIndex-Request": "test"}


def is_refused(answer: httpx.Response) -> bool:
    """Whether it is one too many of a subject, and says when to come back."""
    if answer.status_code != 429:
        return False
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["setting"] == "EVENTINDEX_CALLS_PER_SUBJECT_MAX"
    return True


def test_a_subject_has_some_calls_at_once(doors: Doors) -> None:
    """One more is 429 with Retry-After, by any token of the subject; others are served, and it too
    once a call has ended.
    """
    anna = [doors.opaque("lookup", subject="anna") for _ in range(2)]
    going_on, begun = threading.Event(), threading.Semaphore(0)

    def slow_list() -> Iterator[bytes]:
        yield b"1 1\n"
        begun.release()
        going_on.wait(60)

    def look_up(statuses: list[int]) -> None:
        with doors.http(anna[0]) as http:
            answer = http.post("/api/v1/lookup", content=slow_list(), headers=LIST)
            statuses.append(answer.status_code)

    statuses: list[int] = []
    busy = [threading.Thread(target=look_up, args=(statuses,)) for _ in range(CALLS_MAX)]
    for one in busy:
        one.start()
    try:
        for _ in busy:
            assert begun.acquire(timeout=30)
        for token in anna:
            with doors.http(token) as http:
                assert wait_until(lambda h=http: is_refused(h.get("/api/v1/runs")), what="a 429")
        with doors.http(doors.opaque("lookup", subject="bert")) as http:
            assert http.get("/api/v1/runs").status_code == 200
    finally:
        going_on.set()
        for one in busy:
            one.join()
    assert statuses == [200] * CALLS_MAX
    with doors.http(anna[0]) as http:
        assert http.get("/api/v1/runs").status_code == 200


def test_a_subject_has_some_event_streams_at_once(doors: Doors) -> None:
    """The same for streams, which leave the places of calls alone."""
    with contextlib.ExitStack() as opened:
        http = opened.enter_context(doors.http(doors.opaque("lookup", subject="carl")))
        for _ in range(CALLS_MAX):
            stream = opened.enter_context(http.stream("GET", "/api/v1/live"))
            assert stream.status_code == 200
        assert is_refused(http.get("/api/v1/live"))
        assert http.get("/api/v1/runs").status_code == 200
        other = opened.enter_context(doors.http(doors.opaque("lookup", subject="dora")))
        assert opened.enter_context(other.stream("GET", "/api/v1/live")).status_code == 200
