"""Jobs of the gateway: stored, looked up by any gateway, followed, fetched, cancelled, expired."""

from __future__ import annotations

import io
import json
import threading

import grpc
import numpy as np
import pyarrow.parquet as pq
import pytest

from event_store.database.connection import Connection, StoreOptions
from rest_gateway.jobs import store
from rest_gateway.jobs.chunks import CHUNK_PAIRS
from tests.conftest import query
from tests.support.client import fuid
from tests.support.gateway import FakeIndex, database, gateway, no_hook
from tests.support.jobs import JOBS, LIST, PAIRS, a_list, post, wait_for
from tests.support.processes import wait_until

# Every seventh event of a run is there.
STORE = {(1, event): (fuid(event % 3), 7, event) for event in range(0, PAIRS, 7)}


@pytest.fixture(scope="module")
def _server():
    server = FakeIndex(STORE)
    yield server
    server.stop()


@pytest.fixture
def index(_server):
    """An index whose lookups a test holds by replacing `hook`."""
    yield _server
    _server.hook = no_hook


@pytest.fixture(scope="module")
def shared(postgres, _template, _server):
    limits = {"http_jobs_max": 2, "http_job_pairs_max": PAIRS}
    with (
        database(postgres, _template) as url,
        gateway(url, _server.address, **limits) as (_, client),
    ):
        yield url, client


@pytest.fixture
def http(shared, index):
    """A gateway with small limits that several tests share."""
    return shared[1]


def expected_csv(pairs: int = PAIRS) -> str:
    lines = ["run_number,event_number,fuid_raw,dsid_raw,dataset_state,error"]
    for event in range(pairs):
        found = STORE.get((1, event))
        lines.append(f"1,{event},{found[0]},7,open," if found else f"1,{event},,,,")
    return "\n".join(lines) + "\n"


def test_a_job_from_its_list_to_its_result(http, index):
    """202 with an address; progress to the end as events; the answers in every form."""
    accepted = post(http, a_list() + b"bad line\n", olt_result=True)
    address = accepted.headers["location"]
    assert (accepted.status_code, accepted.json()["links"]["self"]) == (202, address)
    with http.stream("GET", f"{address}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        received = [event.split("\n") for event in "".join(events.iter_text()).split("\n\n")]
    assert received[-2][0] == "event: end"
    job = json.loads(received[-2][1].removeprefix("data: "))
    assert job == http.get(address).json()
    assert (job["state"], job["pairs"], job["pairs_done"]) == ("done", PAIRS, PAIRS)
    assert (job["found"], job["not_found"]) == (len(STORE), PAIRS - len(STORE))
    assert [error["line"] for error in job["errors"]] == [PAIRS + 1]
    result = job["links"]["result"]
    rows = http.get(f"{result}?format=csv").text.splitlines()
    assert len(rows) == PAIRS + 2
    assert (rows[8], rows[9]) == (f"1,7,{fuid(1)},7,open,7,", "1,8,,,,,")
    whole = http.get(result).json()
    assert [a["event_number"] for a in whole["answers"]] == list(range(PAIRS))
    assert (whole["found"], len(whole["errors"])) == (len(STORE), 1)
    packed = http.get(result, headers={"Accept": "application/vnd.apache.parquet"})
    table = pq.read_table(io.BytesIO(packed.content))
    assert table.column("event_number").to_pylist() == list(range(PAIRS))
    assert table.column("fuid_raw").to_pylist()[6:9] == [None, fuid(1), None]
    olt = np.array(table.column("olt_result").to_pylist())
    assert olt[7] == 7


def test_a_killed_gateway_costs_a_job_nothing(database_url, index):
    """kill -9 in the middle of a job: another gateway goes on, and every answer is there once."""
    reached = threading.Event()

    def hold(request, context):
        if request.event_numbers[0] >= 2 * CHUNK_PAIRS:
            reached.set()
            while context.is_active():
                threading.Event().wait(0.05)

    index.hook = hold
    with gateway(database_url, index.address) as (service, http):
        address = post(http, a_list()).headers["location"]
        assert reached.wait(30)
        job = http.get(address).json()
        assert (job["state"], job["pairs_done"]) == ("queued", 2 * CHUNK_PAIRS)
        early = http.get(f"{address}/result")
        assert (early.status_code, early.json()["type"]) == (409, "urn:eventindex:problem:not-done")
        service.kill()
    index.hook = no_hook
    with gateway(database_url, index.address) as (_, http):
        job = wait_for(http, address)
        assert (job["pairs_done"], job["found"]) == (PAIRS, len(STORE))
        assert http.get(f"{address}/result?format=csv").text == expected_csv()


@pytest.mark.slow
def test_two_gateways_work_on_one_job(database_url, index):
    """Both look up parts of the same list at the same time, and either gives the result."""
    both = threading.Barrier(2, timeout=20)
    index.hook = lambda request, context: both.wait()
    with (
        gateway(database_url, index.address) as (_, first),
        gateway(database_url, index.address) as (_, second),
    ):
        address = post(first, a_list()).headers["location"]
        wait_for(second, address)
        texts = {http.get(f"{address}/result?format=csv").text for http in (first, second)}
    assert texts == {expected_csv()}


def test_a_cancelled_job_is_gone(shared, http, index):
    """DELETE in the middle of the work: 404 from then on, and its rows are removed."""
    reached, go_on = threading.Event(), threading.Event()

    def hold(request, context):
        reached.set()
        go_on.wait(30)

    index.hook = hold
    address = post(http, a_list()).headers["location"]
    assert reached.wait(30)
    assert http.delete(address).status_code == 204
    go_on.set()
    for path in (address, f"{address}/result", f"{address}/events"):
        assert http.get(path).status_code == 404
    assert http.delete(address).status_code == 404
    remove_expired(shared[0])
    job_id = address.rpartition("/")[2]
    for table in ("http_job", "http_job_chunk"):
        sql = f"SELECT count(*) FROM {table} WHERE job_id = %s"
        assert query(shared[0], sql, (job_id,)) == [(0,)]


def remove_expired(url: str) -> None:
    connection = Connection(url, StoreOptions(), autocommit=False, name="test")
    while store.remove_expired(connection):
        pass
    connection.close()


def test_a_job_expires(database_url, index):
    """After its lifetime a job and its result are gone; others stay."""
    with gateway(database_url, index.address, http_job_lifetime_s=1) as (_, http):
        short = post(http, a_list(10)).headers["location"]
        wait_until(lambda: http.get(short).status_code == 404, what="expiry")
    with gateway(database_url, index.address) as (_, http):
        other = post(http, a_list(10)).headers["location"]
        remove_expired(database_url)
        wait_for(http, other)
        assert query(database_url, "SELECT count(*) FROM http_job") == [(1,)]


def test_a_list_that_does_not_come_to_its_end_leaves_nothing(shared, http, index):
    """A refused or broken upload is no job."""
    assert post(http, a_list(PAIRS + 1)).status_code == 413
    assert post(http, b"no\npairs\n").status_code == 400

    def breaks():
        yield a_list(CHUNK_PAIRS + 1)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        http.post(JOBS, content=breaks(), headers=LIST)
    sql = "SELECT count(*) FROM http_job WHERE state = 'receiving'"
    wait_until(lambda: query(shared[0], sql) == [(0,)], what="end of the broken upload")


def test_jobs_wait_for_an_index_that_is_away(http, index):
    """A job that meets a restart of the index is done after it; a full queue is told by 503."""
    reached = threading.Event()

    def away(request, context):
        reached.set()
        context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    index.hook = away
    address = post(http, a_list(10)).headers["location"]
    post(http, a_list(10))
    assert reached.wait(30)
    full = post(http, a_list(10))
    assert (full.status_code, full.headers["retry-after"]) == (503, "2")
    assert "EVENTINDEX_HTTP_JOBS_MAX" in full.json()["detail"]
    index.hook = no_hook
    wait_for(http, address)
    assert http.get(f"{address}/result?format=csv").text == expected_csv(10)


def test_a_job_that_the_index_cannot_answer_fails_and_says_so(http, index):
    """A failure that a later attempt would not mend ends the job; others go on."""

    def broken(request, context):
        if request.event_numbers[0] >= CHUNK_PAIRS:
            context.abort(grpc.StatusCode.DATA_LOSS, "a page contradicts itself")

    index.hook = broken
    bad = post(http, a_list(CHUNK_PAIRS + 1)).headers["location"]
    good = post(http, a_list(10)).headers["location"]
    assert wait_for(http, bad, "failed")["failure"]
    assert http.get(f"{bad}/result").status_code == 409
    wait_for(http, good)
