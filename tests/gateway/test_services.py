"""The gateway and what stands behind it: away, slow, cut, or asking for a token; TLS; the end."""

from __future__ import annotations

from functools import partial

import grpc
import httpx
import pytest

from tests.support.client import fuid
from tests.support.gateway import FakeIndex, database, gateway
from tests.support.processes import wait_until

API = "/api/v1"
TEXT = {"Content-Type": "text/plain"}
STORE = {(1, event): (fuid(1), 7, 0) for event in range(100)}


def test_an_index_that_is_away_is_told_with_when_to_come_back(database_url):
    """503 with Retry-After, not ready, no job taken; and all is well once it is there."""
    server = FakeIndex(STORE)
    with gateway(database_url, server.address) as (service, http):
        server.stop()
        for answer in (
            http.post(f"{API}/lookup", json={"pairs": [[1, 5]]}),
            http.post(f"{API}/jobs", json={"pairs": [[1, 5]]}),
            http.get(f"{API}/events?format=csv"),
            http.get(f"{API}/runs"),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert answer.json()["type"] == "urn:eventindex:problem:unavailable"
            assert server.address not in answer.text
        wait_until(lambda: service.page("/readyz")[0] == 503, what="not ready")
        assert service.page("/healthz")[0] == 200
        server.start()
        wait_until(lambda: service.page("/readyz")[0] == 200, what="ready")
        found = http.post(f"{API}/lookup", json={"pairs": [[1, 5]]}).json()
        assert found["answers"][0]["fuid_raw"] == fuid(1)
    server.stop()


def test_an_answer_that_breaks_off_is_cut(database_url):
    """When the index fails in the middle, no reader takes the answer for complete."""
    server = FakeIndex(STORE)

    def fail_later(call, answered, context):
        if answered == 2:
            context.abort(grpc.StatusCode.DATA_LOSS, "a page contradicts itself")

    server.index.before_answer = fail_later
    body = "1 5\n" * 250_000
    with gateway(database_url, server.address) as (service, http):
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(f"{API}/lookup?format=csv", content=body, headers=TEXT)
        assert "Traceback" not in service.log.read_text()
    server.stop()


def test_refusals_of_the_index_are_told_without_its_words(database_url):
    """A missing token is 401, a wrong scope 403, too much load 429, and a failure 502."""
    server = FakeIndex(STORE)
    with gateway(database_url, server.address) as (_, http):
        for code, status in (
            (grpc.StatusCode.UNAUTHENTICATED, 401),
            (grpc.StatusCode.PERMISSION_DENIED, 403),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
            (grpc.StatusCode.INTERNAL, 502),
        ):
            server.index.before_answer = partial(refuse, code)
            answer = http.post(f"{API}/lookup", json={"pairs": [[1, 5]]})
            assert (answer.status_code, answer.json()["status"]) == (status, status)
            assert "secret" not in answer.text
            assert ("www-authenticate" in answer.headers) == (status == 401)
    server.stop()


@pytest.mark.parametrize("code", ["INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "DATA_LOSS"])
def test_a_gateway_whose_index_fails_whatever_it_is_asked_is_not_ready(gateway_and_index, code):
    """Not ready while every answer is a failure, with its reason; ready once answers come."""
    server, service, _ = gateway_and_index
    server.index.before_lookup = lambda _, context: refuse(grpc.StatusCode[code], 0, 0, context)
    wait_until(lambda: service.page("/readyz")[0] == 503, what="not ready")
    assert "index: 127.0.0.1" in service.page("/readyz")[1]
    assert service.page("/healthz")[0] == 200
    server.index.before_lookup = lambda *_: None
    wait_until(lambda: service.page("/readyz")[0] == 200, what="ready")


def test_jobs_are_followed_fetched_and_cancelled_without_the_index(gateway_and_index):
    """What is in the database is answered while the index is away or broken; new work is not."""
    server, _, http = gateway_and_index
    done, other = (
        http.post(f"{API}/jobs", json={"pairs": [[1, 5]]}).headers["location"] for _ in range(2)
    )
    for job in (done, other):
        wait_until(lambda job=job: http.get(job).json()["state"] == "done", what="job")
    server.stop()
    assert http.post(f"{API}/jobs", json={"pairs": [[1, 5]]}).status_code == 503
    check_without_index(http, done)
    assert http.delete(other).status_code == 204
    assert http.get(other).status_code == 404
    server.start()
    server.index.before_lookup = lambda _, context: refuse(grpc.StatusCode.INTERNAL, 0, 0, context)
    check_without_index(http, done)
    # Whom the index refuses gets nothing where the gateway itself asks for no token.
    server.index.before_lookup = lambda _, context: refuse(
        grpc.StatusCode.UNAUTHENTICATED, 0, 0, context
    )
    wait_until(lambda: http.get(done).status_code == 401, what="401")
    server.index.before_lookup = lambda *_: None
    assert http.delete(done).status_code == 204


def check_without_index(http, job):
    """The progress, the events and the result of a job that is done."""
    assert http.get(job).json()["state"] == "done"
    assert "event: end" in http.get(f"{job}/events").text
    assert http.get(f"{job}/result").json()["answers"][0]["fuid_raw"] == fuid(1)


@pytest.fixture(scope="module")
def gateway_and_index(postgres, _template):
    """A gateway, an index that tests break, and a client of the gateway."""
    server = FakeIndex(STORE)
    with database(postgres, _template) as url, gateway(url, server.address) as (service, http):
        yield server, service, http
    server.stop()


def refuse(code, _call, _answered, context):
    context.abort(code, "secret words")


def test_sigterm_lets_running_answers_end(database_url):
    """A stream that has begun is finished, a follower of a job is let go, and the exit is 0."""
    server = FakeIndex(STORE)
    with gateway(database_url, server.address) as (service, http):
        body = "1 5\n" * 300_000
        with http.stream("POST", f"{API}/lookup?format=csv", content=body, headers=TEXT) as answer:
            lines = answer.iter_lines()
            next(lines)
            service.process.terminate()
            assert sum(1 for _ in lines) == 300_000
        assert service.process.wait(20) == 0
    server.stop()
