"""What the logs of the services say, and for which call."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from tests.conftest import execute, query
from tests.support.ingest import Publisher, Topics, json_event
from tests.support.ports import free_port
from tests.support.processes import Mosquitto, Service, run_python, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# Every call is slow.
SETTINGS = {"log_format": "json", "slow_call_s": 1e-9}


def lines(service: Service) -> list[dict[str, Any]]:
    """The lines of a service so far; each has to be JSON."""
    return [json.loads(line) for line in service.log.read_text("utf-8").splitlines()]


@pytest.fixture
def start(database_url: str) -> Iterator[Any]:
    """Start services whose logs are JSON."""
    with ExitStack() as end:

        def start(module: str, **more: object) -> Service:
            service = Service(module, database_url=database_url, **SETTINGS, **more)
            end.callback(service.close)
            return service.start()

        yield start


def get(gateway: Service, path: str, **headers: str) -> tuple[int, str]:
    """Status and request id of an answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{gateway.address}{path}", headers=names)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["x-request-id"]


def statuses_of(gateway: Service, request_id: str) -> list[tuple[str, int]]:
    """Route and status in the lines of a call."""
    told = [line for line in lines(gateway) if line.get("request_id") == request_id]
    return [(line["route"], line["status"]) for line in told if "status" in line]


def test_the_id_of_a_request_leads_to_the_line_that_fails(start: Any, database_url: str) -> None:
    """It goes from HTTP through gRPC to the service, whichever header brought it, and back."""
    index = start("index_service", index_workers=2)
    gateway = start("rest_gateway", index_address=index.address)
    execute(database_url, "ALTER TABLE run RENAME TO gone")
    path = "/api/v1/runs"
    assert get(gateway, path, x_request_id="shift-7") == (502, "shift-7")
    trace = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert get(gateway, path, traceparent=trace) == (502, TRACE)
    _, made = get(gateway, path, x_request_id="no id: it has blanks")
    assert len(made) == 32
    for request_id in ("shift-7", TRACE, made):
        failed = [line for line in lines(index) if line.get("request_id") == request_id]
        assert "ListRuns failed" in [line["message"] for line in failed]
        assert {line["service"] for line in failed} == {"index_service"}
        assert {line["worker"] for line in failed} <= {1, 2}
        # The line of a call is written once its answer is on the way.
        told = wait_until(partial(statuses_of, gateway, request_id), what="the line of the call")
        assert told == [(path, 502)]


def test_a_message_leads_to_its_commit_and_its_dead_letter(
    start: Any, mosquitto: Mosquitto, database_url: str
) -> None:
    """A dead letter has the id of its message, and the log leads from that to its commit."""
    topics = Topics()
    ingest = start("ingest_service", mqtt_url=mosquitto.url, **topics.settings)
    publisher = Publisher(mosquitto.port)
    publisher.publish(topics.json, json_event(1, 1), "{")
    publisher.flush()
    publisher.close()

    def refused() -> list[dict[str, Any]]:
        return [
            each for line in lines(ingest) for each in line.get("messages", ()) if "topic" in each
        ]

    (letter,) = wait_until(refused, what="line of the refused message")
    assert (letter["topic"], letter["reason"]) == (topics.json, "malformed")
    (kept,) = query(database_url, "SELECT request_id FROM dead_letter")
    assert kept == (letter["request_id"],)
    (named,) = [one for one in lines(ingest) if letter in one.get("messages", ())]
    of_commit = [one for one in lines(ingest) if one.get("commit") == named["commit"]]
    assert [one for one in of_commit if "stored" in one["message"]]
    stored = [line for line in lines(ingest) if "seconds" in line and "messages" in line]
    assert sum(letter["request_id"] in line["messages"] for line in stored) == 1
    assert sum(len(line["messages"]) for line in stored) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "EVENTINDEX_DATABASE_URL is not set"),
        ({"EVENTINDEX_LOG_LEVEL": "loud"}, "EVENTINDEX_LOG_LEVEL"),
        (
            {"EVENTINDEX_DATABASE_URL": "postgresql://?x=y"},
            "EVENTINDEX_DATABASE_URL has a parameter 'x'",
        ),
        (
            {"EVENTINDEX_TLS_CERT": "/absent.pem", "EVENTINDEX_TLS_KEY": __file__},
            "EVENTINDEX_TLS_CERT=/absent.pem: No such file or directory",
        ),
        ({"ARGUMENT": "--worker=x"}, "argument --workers: invalid int value: 'x'"),
    ],
)
def test_what_keeps_a_service_from_starting_is_json_too(wrong: dict[str, str], said: str) -> None:
    """A collector of JSON lines is told why nothing runs."""
    program = (
        "import os, runpy, sys; sys.argv[1:] = os.environ.get('ARGUMENT', '').split(); "
        "runpy.run_module('index_service', run_name='__main__')"
    )
    given = {
        "EVENTINDEX_DATABASE_URL": "" if not wrong else "postgresql://nobody@127.0.0.1:1/x",
        "EVENTINDEX_LOG_FORMAT": "json",
        "EVENTINDEX_INDEX_WORKERS": "1",
        "EVENTINDEX_INDEX_METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
        **wrong,
    }
    ended = run_python(program, **given)
    assert ended.returncode in {1, 2}
    last = [json.loads(line) for line in ended.stderr.splitlines()][-1]
    assert (last["level"], last["service"]) == ("critical", "index_service")
    assert said in last["message"]
