"""Jobs of the gateway: whose they are, and what all that are kept may take."""

from __future__ import annotations

import threading

import grpc
import pytest

from event_store.database.connection import Connection, StoreOptions
from rest_gateway.jobs import store
from tests.conftest import execute, query
from tests.support.client import fuid
from tests.support.gateway import FakeIndex, gateway, make_token
from tests.support.jobs import JOBS, LIST, PAIRS, a_list, post, wait_for
from tests.support.processes import wait_until


@pytest.fixture
def index():
    """An index that holds one event, and whose lookups a test holds by replacing `hook`."""
    server = FakeIndex({(1, 0): (fuid(0), 7, 0)})
    yield server
    server.stop()


def test_jobs_belong_to_a_subject(database_url, index):
    """With tokens a job is there for its owner and for admins; for others there is none."""
    owner, other, admin = (
        {"Authorization": f"Bearer {make_token(database_url, *of)}", **LIST}
        for of in (("ann", "lookup"), ("bob", "lookup"), ("root", "admin"))
    )
    settings = {"require_tokens": True, "token_cache_s": 0.3, "http_jobs_per_subject_max": 2}
    with gateway(database_url, index.address, **settings) as (_, http):
        index.hook = lambda request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        made = [http.post(JOBS, content=a_list(10), headers=owner) for _ in range(3)]
        assert [answer.status_code for answer in made] == [202, 202, 429]
        assert "EVENTINDEX_HTTP_JOBS_PER_SUBJECT_MAX" in made[2].json()["detail"]
        assert http.post(JOBS, content=a_list(10), headers=other).status_code == 202
        job = made[0].headers["location"]
        for path in (job, f"{job}/result", f"{job}/events"):
            assert http.get(path, headers=other).status_code == 404
        assert http.delete(job, headers=other).status_code == 404
        assert [http.get(job, headers=h).status_code for h in (owner, admin)] == [200, 200]
        assert http.delete(job, headers=admin).status_code == 204
        assert http.get(job, headers=owner).status_code == 404
        with http.stream("GET", f"{made[1].headers['location']}/events", headers=owner) as events:
            lines = events.iter_lines()
            assert next(lines) == "event: progress"
            execute(database_url, "UPDATE access_token SET revoked = now() WHERE subject = 'ann'")
            assert "event: end" not in list(lines)


@pytest.mark.slow
def test_all_kept_jobs_have_a_bound(database_url, index):
    """What jobs take is counted, lists and answers; beyond the bound 503 until some are gone."""
    with gateway(database_url, index.address, http_jobs_bytes_max=2**20) as (_, http):
        first = post(http, a_list(20_000)).headers["location"]
        wait_for(http, first)
        stored = query(
            database_url,
            "SELECT 512 + 2 + sum(octet_length(request) + octet_length(response)) "
            "FROM http_job_chunk",
        )
        assert query(database_url, "SELECT bytes FROM http_job") == stored
        full = post(http, a_list(PAIRS * 4))
        assert (full.status_code, full.json()["type"]) == (503, "urn:eventindex:problem:full")
        assert "EVENTINDEX_HTTP_JOBS_BYTES_MAX" in full.json()["detail"]
        execute(database_url, "UPDATE http_job SET bytes = 2000000 WHERE state = 'done'")
        assert post(http, a_list(1)).status_code == 503
        assert http.delete(first).status_code == 204
        wait_until(lambda: post(http, a_list(1)).status_code == 202, what="room")


def test_what_is_over_is_removed_while_there_is_work(database_url, index):
    """A queue that is never empty keeps no job beyond its time."""
    connection = Connection(database_url, StoreOptions(), autocommit=False, name="test")
    for _ in range(3):
        store.create(connection, owner="", with_olt_result=False)
    connection.close()
    execute(database_url, "UPDATE http_job SET expires = now()")
    go_on = threading.Event()
    index.hook = lambda request, context: go_on.wait(0.2) or None
    with gateway(database_url, index.address) as (_, http):
        address = post(http, a_list()).headers["location"]
        over = "SELECT count(*) FROM http_job WHERE expires <= now()"
        wait_until(lambda: query(database_url, over) == [(0,)], what="removal")
        assert http.get(address).status_code == 200
        go_on.set()
