"""The Python client against real gRPC servers that are cut, held, stopped and started again."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.client import Server, Store, fuid
from tests.support.ingest import make_certificates

RUNS, EVENTS = 5, 1000


def sample_store() -> Store:
    return {
        (run, event): (fuid(run * 10 + event % 3), run, event % 7)
        for run in range(1, RUNS + 1)
        for event in range(EVENTS)
        if event % 10
    }


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(sample_store())
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[eventindex.Client]:
    with eventindex.connect(
        server.address, ingest_address=server.address, timeout=20, retry_seconds_max=20
    ) as client:
        yield client


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


@pytest.mark.parametrize(
    "pairs",
    [
        PAIRS,
        [list(pair) for pair in PAIRS],
        np.array(PAIRS),
        np.array(PAIRS, np.uint64),
        np.array(PAIRS, np.int16),
        np.array(PAIRS, object),
        tuple(np.array(PAIRS).T),
        (pd.Series([p[0] for p in PAIRS]), pd.Series([p[1] for p in PAIRS])),
        pd.DataFrame(PAIRS, columns=["run_number", "event_number"]),
        pd.DataFrame(PAIRS, columns=["run_number", "event_number"]).convert_dtypes(),
        iter(PAIRS),
    ],
    ids=[
        "list of tuples",
        "list of lists",
        "int64 array",
        "uint64 array",
        "int16 array",
        "object array",
        "tuple of arrays",
        "tuple of series",
        "frame",
        "frame of nullable integers",
        "iterator",
    ],
)
def test_pairs_may_come_in_many_forms(server: Server, client: eventindex.Client, pairs: Any):
    """Every form that pairs are kept in gives the same answer, in the order of the pairs."""
    result = client.lookup(pairs, with_olt_result=True)
    assert_answers(server, result, PAIRS)
    assert result.olt_results is not None
    assert result.olt_results.tolist() == [1, 0, 4, 999 % 7, 0]
    assert result.olt_results.dtype == np.uint64


def test_one_run_number_may_stand_for_all(server: Server, client: eventindex.Client):
    """A run number and an array of event numbers ask for events of one run."""
    assert_answers(server, client.lookup((3, np.array([1, 2, 10]))), [(3, 1), (3, 2), (3, 10)])


@pytest.mark.parametrize("empty", [[], np.empty((0, 2), int), (np.empty(0, int), np.empty(0, int))])
def test_no_pairs_is_an_answer(client: eventindex.Client, empty: Any):
    """An empty batch has an empty answer."""
    result = client.lookup(empty)
    assert len(result) == result.found == result.not_found == 0
    assert result.files == []
    assert result.by_file() == {}
    assert list(result.fuids()) == []
    assert result.olt_results is None
    asked = client.lookup(empty, with_olt_result=True).olt_results
    assert asked is not None
    assert asked.tolist() == []


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([(1, 2), (1, -3)], "event_number 1 is -3, outside 0 to"),
        ([(1, 2), (2**63, 3)], f"run_number 1 is {2**63}, outside"),
        ([(1, -1), (2**63, 3)], f"run_number 1 is {2**63}, outside"),
        ([(1, 2), (2**70, 3)], f"run_number 1 is {2**70}, outside"),
        (np.array([[1, 2], [1, 2**64 - 1]], np.uint64), f"event_number 1 is {2**64 - 1}"),
        (np.array([[1, 2], [-5, 2]]), "run_number 1 is -5"),
        ([(1, 2), (1, 2.5)], "event_number 1 is 2.5, not an integer"),
        ([(1, 2.0)], "event_number 0 is 2.0, not an integer"),
        (np.array([[1.0, 2.0]]), "run_number 0 is .*1.0.*, not an integer"),
        ([(1, "2")], "event_number 0 is '2', not an integer"),
        ([(True, False)], "run_number 0 is True, not an integer"),
        ([(1, None)], "event_number 0 is None, not an integer"),
        ([(1, 2), (1, 2, 3)], r"pair 1 is \(1, 2, 3\), not \(run, event\)"),
        ([(1, 2), 7], r"pair 1 is 7, not \(run, event\)"),
        (["12", "34"], r"pair 0 is '12', not \(run, event\)"),
        (np.array([1, 2, 3]), r"shape \(n, 2\), not \(3,\)"),
        (np.ones((2, 3), int), r"shape \(n, 2\), not \(2, 3\)"),
        ((np.array([1, 2, 3]), np.array([1, 2])), "3 run numbers and 2 event numbers"),
        (([1, 2, 3], [1, 2, 3]), "two lists may be columns or pairs"),
        (pd.DataFrame({"run_number": [1]}), "no column 'event_number'"),
        (
            pd.DataFrame({"run_number": [1, 2], "event_number": [1, None]}),
            "event_number 0 is .*1.0",
        ),
    ],
)
def test_what_is_no_pair_is_refused_by_name(
    server: Server, client: eventindex.Client, pairs: Any, text: str
):
    """A value out of range or of another type is named with its index, and nothing is sent."""
    with pytest.raises(ValueError, match=text):
        client.lookup(pairs)
    assert server.index.lookups == 0


def test_positions_by_file(server: Server, client: eventindex.Client):
    """by_file gives each file the positions of its pairs; missing gives the rest."""
    pairs = batch(3, 50)
    result = client.lookup(pairs)
    groups = result.by_file()
    for file, positions in groups.items():
        for run, event in pairs[positions]:
            assert server.store[int(run), int(event)][:2] == (file.fuid_raw, file.dsid_raw)
        assert file.dataset_state is eventindex.DatasetState.OPEN
    together = np.concatenate([*groups.values(), result.missing()])
    assert sorted(together) == list(range(50))


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


def test_single_calls_are_tried_again(server: Server, client: eventindex.Client):
    """A lookup that meets a server on its way out is answered by the next attempt."""

    def once(call: int, context: Any) -> None:
        if call < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    server.index.before_lookup = once
    assert_answers(server, client.lookup(PAIRS), PAIRS)
    assert server.index.lookups == 3


def test_one_event(client: eventindex.Client):
    """get_event gives all fields; an event that is not there is a NotFoundError."""
    event = client.get_event(1, 4)
    assert (event.run_number, event.event_number, event.olt_result) == (1, 4, 4)
    assert event.file.fuid_raw == fuid(11)
    with pytest.raises(eventindex.NotFoundError, match="no such event"):
        client.get_event(1, 10)
    with pytest.raises(ValueError, match="outside"):
        client.get_event(1, 2**63)


def test_runs_follow_the_pages(client: eventindex.Client):
    """All runs come, however many pages the server makes of them."""
    runs = list(client.runs())
    assert [run.run_number for run in runs] == [1, 2, 3, 4, 5]
    assert {run.events for run in runs} == {900}


def test_unimplemented_calls_and_silence_have_errors_of_their_own():
    """Nobody at the address is an UnavailableError that names the address."""
    with eventindex.connect("127.0.0.1:9", retry_seconds_max=0.2) as client:
        with pytest.raises(eventindex.UnavailableError, match=r"127\.0\.0\.1:9"):
            client.lookup(PAIRS)
        with pytest.raises(eventindex.EventIndexError):
            client.get_event(1, 1)


def columns(number: int) -> EventColumns:
    files = [RawFile(fuid(100 + number), 5), RawFile(fuid(200 + number), 666)]
    return EventColumns(files, [50 + number], np.arange(6), [1, 1, 1, 1, 1, 2], np.arange(6))


def test_ingest_acknowledges_each_batch(server: Server, client: eventindex.Client):
    """Acknowledgements come one a batch, in order, with counts and refusals."""
    acks = list(client.ingest(columns(n) for n in range(20)))
    assert len(acks) == 20
    for ack in acks:
        assert (ack.inserted, ack.duplicates, ack.conflicts, ack.rejected) == (5, 0, 0, 1)
        assert ack.rejections == (eventindex.Rejection(5, "dataset 666 is frozen"),)
    result = client.lookup((53, np.arange(6)), with_olt_result=True)
    assert list(result.fuids()) == [fuid(103)] * 5 + [None]
    assert result.olt_results is not None
    assert result.olt_results.tolist() == [0, 1, 2, 3, 4, 0]


def test_ingest_resumes_after_a_cut(server: Server, client: eventindex.Client):
    """A batch that was stored but not acknowledged is sent again and counts as duplicates."""

    def cut(call: int, answered: int, context: Any) -> None:
        if call == 1 and answered == 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    server.ingest.before_ack = cut
    acks = list(client.ingest(columns(n) for n in range(10)))
    assert len(acks) == 10
    assert acks[3].duplicates == 5
    assert sum(ack.inserted + ack.duplicates for ack in acks) == 50


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"file_indexes": [1, 2, 3]}, "file_index 2 is 3, and there are 2 files"),
        ({"file_indexes": [0, 1, 1]}, "file_index 0 is 0"),
        ({"file_indexes": [1, 1]}, "2 file indexes for 3 events"),
        ({"run_numbers": [1, 2]}, "2 run numbers for 3 events"),
        ({"event_numbers": [1, 2, -1]}, "event_number 2 is -1"),
        ({"olt_results": [1, 2, -1]}, "olt_results must be integers"),
        ({"olt_results": [1, 2]}, "olt_results has shape"),
        ({"files": [RawFile("{" + fuid(1) + "}", 1)]}, "fuid_raw of file 0"),
        ({"files": [RawFile(fuid(1), 2**31)]}, "dsid_raw of file 0 is 2147483648"),
    ],
)
def test_columns_are_checked_before_they_are_sent(
    client: eventindex.Client, change: dict[str, Any], text: str
):
    """Columns that do not fit are a ValueError that names index and value."""
    good: dict[str, Any] = {
        "files": [RawFile(fuid(1), 1), RawFile(fuid(2), 1)],
        "run_numbers": [1],
        "event_numbers": [1, 2, 3],
        "file_indexes": [1, 2, 1],
    }
    with pytest.raises(ValueError, match=text):
        list(client.ingest([EventColumns(**(good | change))]))


def test_largest_numbers_go_through(client: eventindex.Client):
    """The ends of every range are stored and found."""
    top = EventColumns([RawFile(fuid(7), 2**31 - 1)], 2**63 - 1, [0, 2**63 - 1], [1, 1],
                       np.array([0, 2**64 - 1], np.uint64))  # fmt: skip
    assert [ack.inserted for ack in client.ingest([top])] == [2]
    result = client.lookup([(2**63 - 1, 2**63 - 1)], with_olt_result=True)
    assert result.files[0][:2] == (fuid(7), 2**31 - 1)
    assert result.olt_results is not None
    assert result.olt_results.tolist() == [2**64 - 1]


def test_tls_with_a_client_certificate(tmp_path: Path):
    """The client trusts a CA and shows its certificate; without one it is refused."""
    make_certificates(tmp_path)

    def pem(name: str) -> bytes:
        return (tmp_path / name).read_bytes()

    credentials = grpc.ssl_server_credentials(
        [(pem("server.key"), pem("server.pem"))], pem("ca.pem"), require_client_auth=True
    )
    server = Server(sample_store(), credentials)
    own = {"tls_cert": tmp_path / "client.pem", "tls_key": tmp_path / "client.key"}
    try:
        with eventindex.connect(server.address, tls_ca=tmp_path / "ca.pem", **own) as client:
            assert_answers(server, client.lookup(PAIRS), PAIRS)
        for options in ({"tls_ca": tmp_path / "ca.pem"}, {"tls": True}, {}):
            with (
                eventindex.connect(server.address, retry_seconds_max=0.2, **options) as client,
                pytest.raises(eventindex.UnavailableError),
            ):
                client.lookup(PAIRS)
    finally:
        server.stop()
    with pytest.raises(ValueError, match="go together"):
        eventindex.connect(server.address, tls_cert=tmp_path / "client.pem")
