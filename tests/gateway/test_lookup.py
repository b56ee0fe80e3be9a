"""The REST API over real services: lists in every form, selections, lists, and what goes wrong."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest
from pyarrow import ipc, parquet

from tests.support.gateway import (
    API,
    FILES,
    OLT_MAX,
    RUN_MAX,
    TEXT,
    gateway,
    lines_of,
)


def lookup(http: httpx.Client, body: str, **query: object) -> httpx.Response:
    return http.post(f"{API}/lookup", content=body, headers=TEXT, params=query)


PAIRS = [(1, 5), (2, 15), (3, 999), (RUN_MAX, RUN_MAX)]
ANSWERS = [FILES[0], FILES[1], None, FILES[3]]
AS_TEXT = "\n".join(["# a list", "run event", "1 5", "2:15", "", "3/999", f"{RUN_MAX},{RUN_MAX}"])


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"pairs": PAIRS}},
        {"content": AS_TEXT, "headers": TEXT},
        {"content": AS_TEXT, "headers": {"Content-Type": "application/octet-stream"}},
        {
            "content": "event_number,run_number\r\n"
            + "".join(f"{event},{run}\r\n" for run, event in PAIRS),
            "headers": {"Content-Type": "text/csv; charset=utf-8"},
        },
        {"files": {"file": ("list.txt", AS_TEXT)}},
        {"content": (part.encode() for part in AS_TEXT), "headers": TEXT},
    ],
    ids=["json", "text", "octets", "csv", "form", "chunks"],
)
def test_a_list_comes_in_every_form(http, body):
    """The same pairs get the same answers, in their order, whatever form they come in."""
    answer = http.post(f"{API}/lookup", **body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(a["run_number"], a["event_number"]) for a in found["answers"]] == PAIRS
    assert [a["fuid_raw"] for a in found["answers"]] == ANSWERS
    assert (found["pairs"], found["found"], found["not_found"], found["errors"]) == (4, 3, 1, [])


def test_a_run_that_is_not_there_is_told_from_a_missing_event(http):
    """Runs that the index does not have are named, those that lack an event are not."""
    known = PAIRS[0][0]
    found = lookup(http, f"{known} 999999\n77 1\n77 2\n").json()
    assert (found["not_found"], found["unknown_runs"]) == (3, [77])
    assert lookup(http, f"{PAIRS[0][0]} {PAIRS[0][1]}\n").json()["unknown_runs"] == []


def test_answers_come_in_every_form(http):
    """JSON, NDJSON and CSV, by Accept or by format, say the same."""
    expected = lookup(http, AS_TEXT, olt_result=True).json()["answers"]
    assert expected[3]["olt_result"] == OLT_MAX
    assert expected[2]["olt_result"] is None
    ndjson = lookup(http, AS_TEXT, olt_result=True, format="ndjson")
    assert ndjson.headers["content-type"] == "application/x-ndjson"
    assert lines_of(ndjson) == expected
    accept = {**TEXT, "Accept": "text/csv;q=0.9, application/json;q=0.1"}
    table = http.post(f"{API}/lookup?olt_result=true", content=AS_TEXT, headers=accept)
    rows = list(csv.DictReader(io.StringIO(table.text)))
    as_text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in expected]
    assert rows == [row | {"error": ""} for row in as_text]


@pytest.mark.parametrize(
    ("form", "read"),
    [("parquet", parquet.read_table), ("arrow", lambda file: ipc.open_stream(file).read_all())],
)
def test_answers_come_as_tables(http, form, read):
    """Parquet and Arrow have a row a pair, and name the lines that are none; they go back in."""
    expected = lookup(http, AS_TEXT, olt_result=True).json()["answers"]
    answer = lookup(http, f"{AS_TEXT}\nmoon\n", olt_result=True, format=form)
    table = read(io.BytesIO(answer.content))
    rows = table.to_pylist()
    for name in ("run_number", "event_number", "fuid_raw", "dsid_raw", "dataset_state"):
        assert [row[name] for row in rows] == [row[name] for row in expected]
    assert [row["olt_result"] for row in rows] == [row["olt_result"] or 0 for row in expected]
    (error,) = json.loads(table.schema.metadata[b"errors"])
    assert (error["line"], error["value"]) == (8, "moon")
    headers = {"Content-Type": answer.headers["content-type"], "Accept": "application/json"}
    again = http.post(f"{API}/lookup", content=answer.content, headers=headers).json()
    assert [row["fuid_raw"] for row in again["answers"]] == [row["fuid_raw"] for row in expected]
    events = http.get(f"{API}/events", params={"run": 1, "format": form, "with_file_names": True})
    listed = read(io.BytesIO(events.content))
    text = http.get(f"{API}/events", params={"run": 1, "format": "csv"}).text
    assert [f"{r['run_number']},{r['event_number']}" for r in listed.to_pylist()] == [
        ",".join(line.split(",")[:2]) for line in text.splitlines()[1:]
    ]
    assert "file_name" in listed.column_names


def test_bad_lines_are_named_and_the_rest_is_answered(http):
    """Each line that is no pair is named with field and value, in every form of the answer."""
    body = "1 5\nrun five\n2 15\n9223372036854775808 1\n1 9223372036854775808\n"
    answer = lookup(http, body)
    assert (answer.status_code, answer.headers["eventindex-bad-lines"]) == (200, "3")
    assert len(answer.json()["answers"]) == 2
    named = [(e["line"], e["field"], e["value"]) for e in answer.json()["errors"]]
    assert named == [
        (2, "pair", "run five"),
        (4, "run_number", "9223372036854775808 1"),
        (5, "event_number", "1 9223372036854775808"),
    ]
    lines = lines_of(lookup(http, body, format="ndjson"))
    assert [line["error"]["line"] for line in lines[2:]] == [2, 4, 5]
    rows = list(csv.DictReader(io.StringIO(lookup(http, body, format="csv").text)))
    assert rows[2]["run_number"] == ""
    assert rows[2]["error"] == "line 2: not a run and an event number: run five"


def test_bad_elements_of_json_are_pointed_at(http):
    """An element of `pairs` that is no pair is named by a JSON pointer, field and value."""
    pairs = [[1, 5], [1, -1], ["x", 2], [3], [1, True], [1.0, 2], [2**64, 1], {"a": [1]}, [[1], 2]]
    found = http.post(f"{API}/lookup", json={"pairs": pairs}).json()
    assert len(found["answers"]) == 1
    named = [(e["pointer"], e["field"], e["value"]) for e in found["errors"]]
    assert named == [
        ("/pairs/1/1", "event_number", "-1"),
        ("/pairs/2/0", "run_number", "x"),
        ("/pairs/3", "pair", "[3]"),
        ("/pairs/4/1", "event_number", "True"),
        ("/pairs/5/0", "run_number", "1.0"),
        ("/pairs/6/0", "run_number", str(2**64)),
        ("/pairs/7", "pair", "an object"),
        ("/pairs/8/0", "run_number", "an array or object"),
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "named"),
    [
        ("1 5", "application/x-www-form-urlencoded", 415, "application/x-www-form-urlencoded"),
        ("1 5", "application/xml", 415, "text/plain"),
        ("nothing\nhere", "text/plain", 400, "no line of the list is a pair"),
        ("bad\n" * 1001 + "1 5", "text/plain", 400, "more than 1,000 lines"),
        ('{"pairs": [[1, 5]', "application/json", 400, "not JSON"),
        ('{"pairs": [[1, 5]]} x', "application/json", 400, "not JSON"),
        ('{"pairs": [[NaN, 5]]}', "application/json", 400, "not JSON"),
        ('{"pairs": [[1, ' + "9" * 5000 + "]]}", "application/json", 400, "1,000 digits"),
        ("[[1, 5]]", "application/json", 400, "not an object"),
        ("{}", "application/json", 400, "'pairs' is missing"),
        ('{"pairs": [], "pairs": []}', "application/json", 400, "there twice"),
        ('{"pairs": 1}', "application/json", 400, "not an array"),
        ('{"pairs": [], "run": 1}', "application/json", 400, "unknown field 'run'"),
        ("", "application/json", 400, "not JSON"),
        ("x", "multipart/form-data; boundary=b", 400, "the form"),
    ],
)
def test_a_body_that_is_no_list_is_refused(http, body, content_type, status, named):
    """A problem document says what is wrong with it."""
    answer = http.post(f"{API}/lookup", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert named in problem["detail"]
    assert problem["status"] == status
    assert problem["type"].startswith("urn:eventindex:problem:")


def test_an_empty_list_is_answered(http):
    """No pairs are no error."""
    for body in ({"json": {"pairs": []}}, {"content": b"", "headers": TEXT}):
        found = http.post(f"{API}/lookup", **body).json()
        assert (found["pairs"], found["answers"], found["errors"]) == (0, [], [])


def test_limits_are_named(stack):
    """Above a limit the answer is 413 with the limit, its unit and its setting."""
    limits = {"http_lookup_pairs_max": 3, "http_lookup_bytes_max": 2000, "http_job_pairs_max": 2}
    with gateway(stack.url, stack.index.address, **limits) as (_, http):
        assert lookup(http, "1 5\n" * 3).status_code == 200
        many = lookup(http, "1 5\n" * 4)
        long = lookup(http, "#" * 2001)
        unknown_length = http.post(
            f"{API}/lookup", content=(b"#" * 100 for _ in range(21)), headers=TEXT
        )
        form = http.post(f"{API}/lookup", files={"file": "#" * 2001})
        job = http.post(f"{API}/jobs", json={"pairs": [[1, 5]] * 3})
    for answer, limit, unit, setting in (
        (many, 3, "pairs", "LOOKUP_PAIRS"),
        (long, 2000, "bytes", "LOOKUP_BYTES"),
        (unknown_length, 2000, "bytes", "LOOKUP_BYTES"),
        (form, 2000, "bytes", "LOOKUP_BYTES"),
        (job, 2, "pairs", "JOB_PAIRS"),
    ):
        assert answer.status_code == 413, answer.text
        problem = answer.json()
        assert (problem["limit"], problem["unit"]) == (limit, unit)
        assert problem["setting"] == f"EVENTINDEX_HTTP_{setting}_MAX"


def test_one_request_too_many_is_told_to_come_back(stack):
    """Above the bound of requests at once the answer is 503 with Retry-After."""
    with gateway(stack.url, stack.index.address, http_requests_at_once_max=1) as (service, http):
        begun = b"POST /api/v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        with httpx.Client() as other, _connection(service) as waiting:
            waiting.sendall(begun + b"Content-Length: 4\r\n\r\n1")
            name = "eventindex_http_requests_running"
            while service.metric(name) < 1:
                pass
            answer = other.get(f"http://{service.address}{API}/runs")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert answer.json()["type"] == "urn:eventindex:problem:busy"
            waiting.sendall(b" 5\n")
            assert waiting.recv(100).startswith(b"HTTP/1.1 200")
        while service.metric(name) > 0:
            pass
        assert http.get(f"{API}/runs").status_code == 200


def test_who_only_looks_takes_no_place_of_those_who_ask(stack):
    """With every event stream open the API answers; one more stream is refused, and counted."""
    limits = {"http_requests_at_once_max": 1, "http_followers_max": 2}
    with (
        gateway(stack.url, stack.index.address, **limits) as (service, http),
        http.stream("GET", f"{API}/live") as one,
        http.stream("GET", f"{API}/live") as two,
    ):
        assert (one.status_code, two.status_code) == (200, 200)
        assert http.get(f"{API}/runs").status_code == 200
        refused = http.get(f"{API}/live")
        assert refused.status_code == 503
        assert "EVENTINDEX_HTTP_FOLLOWERS_MAX" in refused.json()["detail"]
        assert service.metric("eventindex_http_followers") == 2
        assert service.metric("eventindex_http_requests_running") == 0


def _connection(service):
    import socket

    return socket.create_connection(("127.0.0.1", service.port), 20)


def test_what_is_not_acceptable_is_refused_with_what_there_is(http):
    """406 lists the forms of the answer."""
    answer = http.get(f"{API}/events", headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.json()["supported"] == [
        *("application/x-ndjson", "text/csv"),
        *("application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"),
    ]


def test_a_million_pairs_take_little_memory(stack, http):
    """A list of a million lines with ten bad ones: 999,990 answers, ten errors, flat memory."""

    def peak_bytes() -> int:
        with open(f"/proc/{stack.gateway.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line[:5] == "VmHWM")

    def pairs(count: int):
        for _ in range(0, count, 100_000):
            yield b"bad line\n" + b"".join(b"%d %d\n" % (n % 3, n) for n in range(99_999))

    def count_answers(count: int) -> tuple[int, int]:
        answers = errors = 0
        query = {"format": "ndjson"}
        with http.stream(
            "POST", f"{API}/lookup", content=pairs(count), headers=TEXT, params=query
        ) as answer:
            rest = b""
            for block in answer.iter_bytes():
                lines, _, rest = (rest + block).rpartition(b"\n")
                answers += lines.count(b'"run_number":')
                errors += lines.count(b'"error":')
        return answers, errors

    # As many as fill every buffer on the way.
    assert count_answers(500_000) == (499_995, 5)
    before = peak_bytes()
    assert count_answers(1_000_000) == (999_990, 10)
    assert peak_bytes() - before < 32 * 1024 * 1024
