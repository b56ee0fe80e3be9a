"""The REST API over real services: lists in every form, selections, lists, and what goes wrong."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest
from click.testing import CliRunner

from eventindex.cli import main
from tests.conftest import execute
from tests.support.gateway import (
    FILES,
    OLT_MAX,
    RUN_MAX,
    Stack,
    database,
    full_stack,
    gateway,
    lines_of,
)

API = "/api/v1"
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def stack(postgres, _template):
    """All services with the sample events, for the tests that change nothing."""
    with database(postgres, _template) as url, full_stack(url) as running:
        yield running


@pytest.fixture
def http(stack: Stack) -> httpx.Client:
    return stack.http


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
        begun = b"POST /api/v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
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


def _connection(service):
    import socket

    return socket.create_connection(("127.0.0.1", service.port), 20)


def test_what_is_not_acceptable_is_refused_with_what_there_is(http):
    """406 lists the forms of the answer."""
    answer = http.get(f"{API}/events", headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.json()["supported"] == ["application/x-ndjson", "text/csv"]


def test_one_event(http):
    """An event comes with all its fields, and numbers of 64 bits whole."""
    event = http.get(f"{API}/events/{RUN_MAX}/{RUN_MAX}").json()
    assert event == {
        "run_number": RUN_MAX,
        "event_number": RUN_MAX,
        "olt_result": OLT_MAX,
        "dsid_raw": 8,
        "fuid_raw": FILES[3],
        "dataset_state": "open",
    }
    missing = http.get(f"{API}/events/1/777")
    assert (missing.status_code, missing.json()["type"]) == (
        404,
        "urn:eventindex:problem:not-found",
    )
    assert "run 1 event 777" in missing.json()["detail"]


def test_events_of_a_selection(http):
    """A selection comes in order as NDJSON and CSV, in part behind an event."""
    query = {"run_first": 1, "run_last": 2, "olt_all": 3, "event_last": 11}
    found = lines_of(http.get(f"{API}/events", params=query))
    assert [(e["run_number"], e["event_number"]) for e in found] == [
        (run, event) for run in (1, 2) for event in (3, 7, 11)
    ]
    listed = {"runs": "1-2,77", "olt_all": 3, "event_last": 11}
    assert lines_of(http.get(f"{API}/events", params=listed)) == found
    after = {"after_run_number": 1, "after_event_number": 7, "limit": 2, "format": "csv"}
    rows = list(csv.DictReader(io.StringIO(http.get(f"{API}/events", params=query | after).text)))
    assert [(row["run_number"], row["event_number"]) for row in rows] == [("1", "11"), ("2", "3")]
    assert rows[0]["fuid_raw"] == FILES[1]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("events/1/-1", "event_number", "-1"),
        (f"events/1/{2**63}", "event_number", str(2**63)),
        ("events/one/1", "run_number", "one"),
        ("events?limits=5", "limits", "5"),
        ("events?run_first=5&run_last=4", "run_last", "4"),
        ("events?runs=7-5", "runs", "7-5"),
        ("events?runs=7,", "runs", "7,"),
        ("events?file=abc", "file", "abc"),
        ("events?after_run_number=1", "after_run_number", "None"),
        ("events?olt_all=3&olt_none=2", "olt_none", "2"),
        ("counts?by=colour", "by", "colour"),
        ("runs?page_size=0", "page_size", "0"),
        ("runs?order_by=colour", "order_by", "colour"),
        ("cosmic/events?time_first=yesterday", "time_first", "yesterday"),
        ("cosmic/events?time_last=0.5", "time_last", "0.5"),
        ("datasets/2147483648", "dsid_raw", "2147483648"),
        ("jobs/1", "job_id", "1"),
    ],
)
def test_a_wrong_parameter_is_named(http, path, field, value):
    """400 with a problem document that names the field and the value."""
    answer = http.get(f"{API}/{path}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert (error["field"], error["value"]) == (field, value)


def test_counts_and_overlaps(http):
    """Events are counted in all, by run, and by pairs of bits."""
    counts = http.get(f"{API}/counts?by=run&run_last=3").json()
    assert counts["total"] == 90
    assert [(c["run_number"], c["events"]) for c in counts["counts"]] == [(1, 30), (2, 30), (3, 30)]
    overlaps = http.get(f"{API}/overlaps?run=1").json()["overlaps"]
    found = {(o["olt_bit"], o["other_olt_bit"]): o["events"] for o in overlaps}
    assert found[0, 1] == sum(e & 3 == 3 for e in range(30))


def test_lists_link_to_their_next_page(http):
    """Following `next` gives every run once; the Link header says the same."""
    found, address = [], f"{API}/runs?page_size=2&order_by=run_number%20desc"
    while address:
        answer = http.get(address)
        found += [run["run_number"] for run in answer.json()["runs"]]
        address = answer.json()["next"]
        assert answer.links.get("next", {}).get("url") == address
    assert found == [RUN_MAX, 12345, 3, 2, 1]


def test_catalogue(http):
    """Runs, datasets, files, a file's events and conflicts say what was stored."""
    assert http.get(f"{API}/runs/2").json()["events"] == 30
    assert http.get(f"{API}/runs/4").status_code == 404
    assert http.get(f"{API}/datasets/7").json()["name"] == "dsid-7"
    names = [d["name"] for d in http.get(f"{API}/datasets?state=open").json()["datasets"]]
    assert names[:2] == ["dsid-7", "dsid-8"]
    assert [f["events"] for f in http.get(f"{API}/files?run=2").json()["files"]] == [10, 10, 10]
    file = http.get(f"{API}/files/{FILES[1].upper()}").json()
    assert [run["run_number"] for run in file["runs"]] == [1, 2, 3]
    events = http.get(f"{API}/files/{FILES[1]}/events?format=csv")
    assert len(events.text.splitlines()) == 31
    assert events.headers["content-disposition"] == f'attachment; filename="{FILES[1]}.csv"'
    unknown = http.get(f"{API}/files/{FILES[1][:-1]}f/events?format=csv")
    assert unknown.status_code == 404
    (conflict,) = http.get(f"{API}/conflicts?run=1").json()["conflicts"]
    assert (conflict["stored"]["fuid_raw"], conflict["offered"]["fuid_raw"]) == tuple(FILES[:2])


def test_telescope_events(http):
    """Records come whole, are counted, and their RAW file is read back."""
    records = lines_of(http.get(f"{API}/cosmic/events?run=12345"))
    assert [r["run_number"] for r in records] == [12345] * 3
    assert json.loads(records[0]["payload"])["EventNumber"] == records[0]["event_number"]
    assert http.get(f"{API}/cosmic/counts?by=run").json()["counts"][0]["events"] == 3
    content = http.get(f"{API}/files/{records[0]['fuid_raw']}/content")
    assert content.headers["content-type"] == "application/x-ndjson"
    assert records[0]["event_number"] in [line["EventNumber"] for line in lines_of(content)]


def test_dead_letters_are_read_replayed_and_discarded(stack, http):
    """A refused message is shown with its payload; replay and discard need a header."""
    execute(
        stack.url,
        "INSERT INTO dead_letter (topic, payload, truncated, reason, detail, source) "
        "SELECT 'cosmic/0/event', 'x'::bytea, false, 'malformed', 'no JSON', 'test' "
        "FROM generate_series(1, 2)",
    )
    letters = http.get(f"{API}/dead-letters?reason=malformed").json()["dead_letters"]
    first, second = (letter["dead_letter_id"] for letter in letters)
    assert http.get(f"{API}/dead-letters/{first}").json()["payload_base64"] == "eA=="
    refused = http.post(f"{API}/dead-letters/{first}/replay")
    assert (refused.status_code, refused.json()["type"][-10:]) == (403, "cross-site")
    own = {"EventIndex-Request": "test"}
    outcome = http.post(f"{API}/dead-letters/{first}/replay", headers=own)
    assert (outcome.status_code, outcome.json()["rejected"]) == (200, 1)
    assert http.delete(f"{API}/dead-letters/{second}").status_code == 204
    assert http.delete(f"{API}/dead-letters/{second}").status_code == 404


def test_a_known_document_is_not_sent_again(http):
    """An ETag that the caller has is answered with 304."""
    tag = http.get(f"{API}/runs/1").headers["etag"]
    assert http.get(f"{API}/runs/1", headers={"If-None-Match": tag}).status_code == 304
    assert http.get(f"{API}/runs/2", headers={"If-None-Match": tag}).status_code == 200


def test_answers_are_packed_where_the_caller_likes_it(http):
    """gzip, for documents and streams, and neither for those who do not ask."""
    for path in ("overlaps?run=1", "events?run_last=3"):
        packed = http.get(f"{API}/{path}")
        plain = http.get(f"{API}/{path}", headers={"Accept-Encoding": "identity"})
        assert packed.headers.get("content-encoding") == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.text == plain.text


def test_answers_carry_security_headers(http):
    """No other site can frame, read or script an answer, errors and pages included."""
    for path in (f"{API}/runs", f"{API}/nothing", "/docs", "/assets/docs.js"):
        headers = http.get(path, headers={"Origin": "https://elsewhere.example"}).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control")]


def test_other_sites_change_nothing(http):
    """What a browser sends for another site's page is refused, and what a form can send."""
    site = {"Sec-Fetch-Site": "cross-site"}
    body = {"json": {"pairs": [[1, 5]]}}
    assert http.post(f"{API}/jobs", headers=site, **body).status_code == 403
    assert http.post(f"{API}/lookup", headers=site, **body).status_code == 403
    assert http.post(f"{API}/jobs", content="1 5", headers=TEXT).status_code == 403
    own = {**TEXT, "EventIndex-Request": "1", "Sec-Fetch-Site": "same-origin"}
    assert http.post(f"{API}/jobs", content="1 5", headers=own).status_code == 202


def test_docs_come_from_this_machine(http):
    """The page of the docs and what it loads are local, and the document is OpenAPI 3.1."""
    page = http.get("/docs").text
    addresses = [part.split('"')[0] for part in page.split('="')[1:] if part.startswith("/")]
    assert len(addresses) == 6
    assert "//" not in page.replace("<!DOCTYPE", "")
    for address in addresses:
        assert http.get(address).status_code == 200
    document = http.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert {"400", "503"} <= set(operation["responses"])


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
            for block in answer.iter_bytes():
                answers += block.count(b'"run_number":')
                errors += block.count(b'"error":')
        return answers, errors

    assert count_answers(100_000) == (99_999, 1)
    before = peak_bytes()
    assert count_answers(1_000_000) == (999_990, 10)
    assert peak_bytes() - before < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "path",
    ["events?dataset=999", "counts?dataset=999", "overlaps?dataset=999", "files?dataset=999",
     "datasets/999", "events?dataset=999&run=1"],
)  # fmt: skip
def test_a_dataset_that_is_not_there_is_not_found(http, path):
    """404 by its own address and as a filter alike."""
    answer = http.get(f"{API}/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:eventindex:problem:not-found")
    assert "999" in answer.json()["detail"]


@pytest.mark.parametrize(
    "arguments",
    [["events"], ["counts"], ["counts", "--by", "overlap"], ["files", "list"]],
    ids=" ".join,
)
@pytest.mark.parametrize("dataset", ["999", "nobody"])
def test_commands_say_that_a_dataset_is_not_there(stack, monkeypatch, arguments, dataset):
    """By number and by name: exit code 1 and one line that names it."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", stack.index.address)
    ended = CliRunner().invoke(main, [*arguments, "--dataset", dataset])
    assert ended.exit_code == 1, ended.output
    assert len(ended.stderr.splitlines()) == 1
    assert dataset in ended.stderr
    assert "is not in the index" in ended.stderr


READ = (
    "/", "/runs", "/runs/1", "/datasets", "/datasets/7", f"/files/{FILES[0]}", "/live", "/cosmic",
    "/conflicts", "/dead-letters", "/docs", "/assets/docs.js", "/assets/lib/pairs.js", "/nowhere",
    *(
        API + path
        for path in (
            "/openapi.json", "/runs", "/runs/1", "/runs/999", "/datasets", "/datasets/7", "/files",
            "/files/x", f"/files/{FILES[0]}/events", "/events?run=1", "/events?format=csv",
            "/conflicts", "/runs?page_size=0", "/live", "/nowhere",
        )
    ),
)  # fmt: skip
# What differs from one GET to the next, or says how a body is framed.
CHANGING = {"date", "transfer-encoding"}


@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_its_body(stack: Stack, http: httpx.Client, path: str):
    """HEAD has the status and the headers of GET wherever there is GET, and ends at once."""
    for encoding in ("identity", "gzip"):
        head = http.head(path, headers={"Accept-Encoding": encoding})
        with http.stream("GET", path, headers={"Accept-Encoding": encoding}) as get:
            assert head.status_code == get.status_code
            told = [{k: v for k, v in answer.headers.items() if k not in CHANGING}
                    for answer in (head, get)]  # fmt: skip
        assert told[0] == told[1]
        assert not head.content


def test_head_of_what_is_only_sent(http: httpx.Client):
    """An address without GET refuses HEAD, and one with GET says that it has both."""
    assert http.head(f"{API}/lookup").status_code == 405
    assert http.head(f"{API}/lookup").headers["allow"] == "POST"
    assert http.put(f"{API}/runs").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("page", ["/metrics", "/healthz", "/readyz", "/nowhere"])
def test_head_of_the_side_port(stack: Stack, page: str):
    """Probes that use HEAD get the answer of GET on the side port of each service."""
    for service in (stack.gateway, stack.index, stack.ingest):
        address = f"http://127.0.0.1:{service.metrics_port}{page}"
        head, get = httpx.head(address), httpx.get(address)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        if page != "/metrics":
            assert head.headers["content-length"] == get.headers["content-length"]
        else:
            assert int(head.headers["content-length"]) > 100
