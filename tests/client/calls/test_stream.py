"""Streams of lookups over a server that is cut, held, stopped and started again."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

import eventindex
from tests.support.client import Server
from tests.support.client_calls import EVENTS, PAIRS, RUNS, assert_answers, batch


def test_more_pairs_than_a_message_holds(server: Server, client: eventindex.Client):
    """Any number of pairs is cut into batches and answered as one result with distinct files."""
    rng = np.random.default_rng(1)
    pairs = np.column_stack([rng.integers(1, 7, 230_001), rng.integers(0, EVENTS, 230_001)])
    result = client.lookup(pairs, with_olt_result=True)
    assert_answers(server, result, pairs)
    assert len(set(result.files)) == len(result.files) == RUNS * 3
    assert server.index.received == [1, 2, 3]
    assert result.olt_results is not None
    assert len(result.olt_results) == len(pairs)


def test_a_stream_answers_while_input_is_still_made(server: Server, client: eventindex.Client):
    """Each result arrives before the next batch exists."""
    seen: list[int] = []
    arrived = threading.Semaphore(1)

    def batches() -> Iterator[np.ndarray]:
        for number in range(20):
            assert arrived.acquire(timeout=10)
            assert len(seen) == number
            yield batch(number)

    for number, result in enumerate(client.lookup_stream(batches())):
        assert_answers(server, result, batch(number))
        seen.append(number)
        arrived.release()
    assert len(seen) == 20


def test_a_slow_reader_holds_the_input_back(client: eventindex.Client):
    """Input is read a bounded number of batches ahead of the results that were taken."""
    made = 0
    full = threading.Event()

    def batches() -> Iterator[np.ndarray]:
        nonlocal made
        for number in range(100):
            made += 1
            if made == 5:
                full.set()
            yield batch(number)

    results = client.lookup_stream(batches(), batches_in_flight_max=4)
    next(results)
    assert full.wait(10)
    for taken in range(2, 30):
        next(results)
        assert made <= taken + 4
    results.close()


@pytest.mark.parametrize("orderly", [False, True], ids=["UNAVAILABLE", "an orderly end"])
def test_a_cut_stream_goes_on_where_it_was(
    server: Server, client: eventindex.Client, orderly: bool
):
    """A stream that is cut again and again gives every answer once, in order."""

    def cut(call: int, answered: int, context: Any) -> bool | None:
        if answered == call % 4 + 1 and call < 12:
            if orderly:
                return True
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
        return None

    server.index.before_answer = cut
    count = 0
    for number, result in enumerate(client.lookup_stream(batch(n) for n in range(60))):
        assert_answers(server, result, batch(number))
        count += 1
    assert count == 60
    assert server.index.calls > 5


def test_a_stream_survives_a_restart_of_the_server(server: Server, client: eventindex.Client):
    """A server that stops and comes back on the same address is found again."""
    results = client.lookup_stream(batch(n) for n in range(40))
    for number in range(10):
        assert_answers(server, next(results), batch(number))
    server.stop()
    back = threading.Timer(0.5, server.start)
    back.start()
    for number, result in enumerate(results, 10):
        assert_answers(server, result, batch(number))
    assert number == 39
    back.join()


def test_a_restart_while_input_is_awaited(server: Server, client: eventindex.Client):
    """The batch that an old call was waiting for is sent by the new one."""
    held = threading.Event()

    def batches() -> Iterator[np.ndarray]:
        yield batch(0)
        yield batch(1)
        assert held.wait(20)
        yield batch(2)

    def hold_back(call: int, answered: int, context: Any) -> None:
        if call == 1 and answered == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
        if call == 2:
            held.set()

    server.index.before_answer = hold_back
    results = list(client.lookup_stream(batches()))
    assert len(results) == 3
    for number, result in enumerate(results):
        assert_answers(server, result, batch(number))


def test_a_server_that_stays_away_is_given_up(server: Server, client: eventindex.Client):
    """After retry_seconds_max without an answer the stream ends in UnavailableError."""
    results = client.lookup_stream((batch(n) for n in range(40)), retry_seconds_max=0.5)
    next(results)
    server.stop()
    started = time.monotonic()
    with pytest.raises(eventindex.UnavailableError, match=server.address):
        list(results)
    assert time.monotonic() - started < 10


def test_a_refused_batch_ends_the_stream_with_the_servers_words(
    server: Server, client: eventindex.Client
):
    """INVALID_ARGUMENT is not tried again; the results before it stand."""

    def refuse(call: int, answered: int, context: Any) -> None:
        if answered == 2:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "event_numbers[7] is wrong")

    server.index.before_answer = refuse
    results = client.lookup_stream(batch(n) for n in range(10))
    assert len([next(results), next(results)]) == 2
    with pytest.raises(eventindex.InvalidRequestError, match=r"event_numbers\[7\] is wrong"):
        next(results)
    assert server.index.calls == 1


def test_an_error_of_the_input_comes_after_the_results_before_it(
    server: Server, client: eventindex.Client
):
    """What the input raises reaches the reader once the earlier batches are answered."""

    def batches() -> Iterator[Any]:
        yield batch(0)
        yield batch(1)
        raise KeyError("my own")

    results = client.lookup_stream(batches())
    assert_answers(server, next(results), batch(0))
    assert_answers(server, next(results), batch(1))
    with pytest.raises(KeyError, match="my own"):
        next(results)


def test_a_batch_that_is_no_pairs_ends_the_stream(client: eventindex.Client):
    """A bad batch is a ValueError after the results before it; so is one that is too long."""
    for bad, text in (([(1, -1)], "event_number 0 is -1"), (np.ones((100_001, 2), int), "100,001")):
        results = client.lookup_stream(iter([batch(0), bad]))
        next(results)
        with pytest.raises(ValueError, match=text):
            next(results)


def test_closing_a_stream_cancels_the_call(server: Server, client: eventindex.Client):
    """A reader that ends early frees the server and the input."""

    def endless() -> Iterator[np.ndarray]:
        number = 0
        while True:
            yield batch(number)
            number += 1

    results = client.lookup_stream(endless())
    next(results)
    assert not server.index.cancelled.is_set()
    results.close()
    assert server.index.cancelled.wait(10)

    server.index.cancelled.clear()
    for _ in client.lookup_stream(endless()):
        break
    gc.collect()
    assert server.index.cancelled.wait(10)


def test_a_silent_server_is_a_deadline(server: Server, client: eventindex.Client):
    """No answer within the timeout is a DeadlineError, on streams and on single calls."""
    go_on = threading.Event()

    def hold(call: int, answered: int, context: Any) -> None:
        if answered == 1:
            go_on.wait(20)

    server.index.before_answer = hold
    server.index.before_lookup = lambda call, context: go_on.wait(20) and None
    results = client.lookup_stream((batch(n) for n in range(5)), timeout=0.3)
    next(results)
    with pytest.raises(eventindex.DeadlineError, match=r"no answer within 0.3 s"):
        next(results)
    with pytest.raises(eventindex.DeadlineError):
        client.lookup(PAIRS, timeout=0.3)
    go_on.set()


def test_a_slow_input_is_no_deadline(server: Server, client: eventindex.Client):
    """Time that the input takes does not count as waiting for the server."""

    def batches() -> Iterator[np.ndarray]:
        yield batch(0)
        threading.Event().wait(0.8)
        yield batch(1)

    assert len(list(client.lookup_stream(batches(), timeout=0.3))) == 2
