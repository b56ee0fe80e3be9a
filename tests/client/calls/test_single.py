"""Lookups and other calls of the client that are one request and one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.client import Server, fuid
from tests.support.client_calls import PAIRS, assert_answers, batch, sample_store
from tests.support.ingest import make_certificates


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
