"""Lists of pairs by every door: the command line, REST and jobs answer the same files."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from eventindex.cli import main
from tests.support.client import fuid
from tests.support.gateway import FakeIndex, database, gateway
from tests.support.processes import wait_until

API = "/api/v1"
OCTETS = {"Content-Type": "application/octet-stream"}
# Every seventh event of nine runs is there.
PAIRS = [(1 + n % 9, n) for n in range(20_000)]
STORE = {(run, event): (fuid(event % 3), 7, event) for run, event in PAIRS if event % 7 == 0}
ENDS: dict[str, Callable[[int], str]] = {
    "LF": lambda n: "\n",
    "CRLF": lambda n: "\r\n",
    "CR": lambda n: "\r",
    "mixed": lambda n: ("\n", "\r\n", "\r", "\r\n\n", "\r\r")[n % 5],
}
LIMITS = {"http_lookup_bytes_max": 4_000_000, "http_job_bytes_max": 4_000_000}


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    server = FakeIndex(STORE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def http(postgres, _template, index) -> Iterator[httpx.Client]:
    """A gateway that takes up to four megabytes."""
    with (
        database(postgres, _template) as url,
        gateway(url, index.address, **LIMITS) as (_, client),
    ):
        yield client


@pytest.fixture
def command(index, tmp_path, monkeypatch) -> Callable[..., Result]:
    """`eventindex lookup` of a list in a file."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index.address)
    monkeypatch.chdir(tmp_path)

    def lookup(data: bytes, *options: str) -> Result:
        Path("list").write_bytes(data)
        result = CliRunner().invoke(main, ["lookup", "--format", "csv", *options, "list"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return lookup


def pairs_of(text: str) -> list[tuple[int, int]]:
    """The pairs that a CSV answer has answers to, in its order."""
    rows = csv.DictReader(io.StringIO(text))
    return [(int(row["run_number"]), int(row["event_number"])) for row in rows]


def job_result(http: httpx.Client, data: bytes, **query: str) -> str:
    """The CSV answer of a job."""
    job = http.post(f"{API}/jobs", content=data, headers=OCTETS, params=query)
    assert job.status_code == 202, job.text
    address = job.headers["location"]
    wait_until(lambda: http.get(address).json()["state"] == "done")
    return http.get(f"{address}/result?format=csv").text


@pytest.mark.parametrize("end", ENDS)
def test_twenty_thousand_pairs_have_as_many_answers(http, command, end):
    """With every line end, alone and mixed, each pair of a list is answered, in its order."""
    data = "".join(f"{run} {event}{ENDS[end](event)}" for run, event in PAIRS).encode()
    by_command = command(data)
    assert (by_command.exit_code, pairs_of(by_command.stdout)) == (3, PAIRS)
    assert "20,000 pairs: 2,858 found, 17,142 not found" in by_command.stderr
    answer = http.post(f"{API}/lookup?format=csv", content=data, headers=OCTETS)
    assert (answer.headers["eventindex-pairs"], answer.headers["eventindex-bad-lines"]) == (
        "20000",
        "0",
    )
    assert pairs_of(answer.text) == PAIRS
    form = http.post(f"{API}/lookup?format=csv", files={"file": data})
    assert form.text == answer.text
    assert job_result(http, data) == answer.text


def table(names: tuple[str, str] = ("run", "event")) -> pa.Table:
    numbers = {name: [pair[place] for pair in PAIRS[:50]] for place, name in enumerate(names)}
    return pa.table({"mass": [1.5] * 50, **numbers})


def as_parquet() -> bytes:
    out = io.BytesIO()
    parquet.write_table(table(), out)
    return out.getvalue()


def as_csv(*names: str, delimiter: str = ",") -> bytes:
    rows = [[f"row {n}", *map(str, pair), "x"] for n, pair in enumerate(PAIRS[:50])]
    lines = [delimiter.join(row) for row in [["", *names, "file"], *rows]]
    return "\n".join(lines).encode()


LISTS = {
    "csv": as_csv("run", "event"),
    "semicolons": as_csv("RunNumber", "evt", delimiter=";"),
    "tabs": as_csv("RUN", "EVENT", delimiter="\t"),
    "utf-16": as_csv("run", "event").decode().encode("utf-16"),
    "utf-16-le": "".join(f"{r},{e}\r\n" for r, e in PAIRS[:50]).encode("utf-16-le"),
    "bom": b"\xef\xbb\xbf" + as_csv("run", "event"),
    "gz": gzip.compress(as_csv("run", "event")),
    "zst": pa.compress(as_csv("run", "event"), "zstd").to_pybytes(),
    "parquet": as_parquet(),
    "json lines": "\n".join(json.dumps({"run": r, "event": e}) for r, e in PAIRS[:50]).encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", LISTS)
def test_every_door_takes_every_form(http, command, form):
    """A table, an encoding, a compression that one door takes is taken by all."""
    result = command(LISTS[form])
    assert (pairs_of(result.stdout), result.exit_code) == (PAIRS[:50], 3), result.stderr
    answer = http.post(f"{API}/lookup?format=csv", content=LISTS[form], headers=OCTETS)
    assert pairs_of(answer.text) == PAIRS[:50]
    assert job_result(http, LISTS[form]) == answer.text


def test_three_numbers_by_every_door(http, command):
    """run:lumi:event is read where somebody says so, and refused with what to say."""
    data = "".join(f"{run}:17:{event}\n" for run, event in PAIRS[:50]).encode()
    assert pairs_of(command(data, "--columns", "run,-,event").stdout) == PAIRS[:50]
    query = {"columns": "run,-,event", "format": "csv"}
    answer = http.post(f"{API}/lookup", content=data, headers=OCTETS, params=query)
    assert pairs_of(answer.text) == PAIRS[:50]
    assert job_result(http, data, columns="run,-,event") == answer.text
    triples = {"pairs": [[run, 17, event] for run, event in PAIRS[:50]]}
    assert http.post(f"{API}/lookup", json=triples, params=query).text == answer.text
    refused = command(data)
    assert (refused.exit_code, pairs_of(refused.stdout)) == (2, [])
    assert "say which columns are the run and the event: --columns run,-,event" in refused.stderr
    problem = http.post(f"{API}/lookup", content=data, headers=OCTETS).json()
    assert problem["errors"][0]["field"] == "columns"
    assert "columns=run,-,event says which two count" in problem["errors"][0]["detail"]
    pointed = http.post(f"{API}/lookup", json=triples).json()["errors"][0]
    assert (pointed["pointer"], pointed["field"]) == ("/pairs/0", "columns")
    for words in ("run", "run,lumi,event"):
        assert command(data, "--columns", words).exit_code == 2
        wrong = http.post(f"{API}/lookup", content=data, headers=OCTETS, params={"columns": words})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "columns")


def test_answers_go_in_again(http, command):
    """What lookups write, by command line and REST, is a list with the same answers."""
    data = "".join(f"{run} {event}\n" for run, event in PAIRS[:50]).encode()
    first = command(data).stdout
    assert command(first.encode()).stdout == first
    assert command(command(data, "--olt").stdout.encode()).stdout == first
    assert command(command(data, "--format", "json").stdout.encode()).stdout == first
    for form in ("csv", "ndjson"):
        answer = http.post(f"{API}/lookup?format={form}", content=data, headers=OCTETS)
        kind = {"Content-Type": answer.headers["content-type"]}
        again = http.post(f"{API}/lookup?format={form}", content=answer.content, headers=kind)
        assert again.text == answer.text
        assert command(answer.content).stdout == first


def test_what_is_no_list_is_one_sentence(http, command):
    """Binary data is refused by every door in a sentence, without its bytes."""
    data = b"PK\x03\x04" + bytes(range(256)) * 100
    refused = command(data)
    assert refused.exit_code == 2
    assert "list: a zip archive or a workbook of a spreadsheet, not a list" in refused.stderr
    assert refused.stderr.isascii()
    for call in ("lookup", "jobs"):
        answer = http.post(f"{API}/{call}", content=data, headers=OCTETS)
        assert (answer.status_code, answer.json()["type"]) == (
            400,
            "urn:eventindex:problem:invalid-list",
        )
        assert "a zip archive" in answer.json()["detail"]


def test_a_list_that_breaks_off_is_answered_as_far_as_it_goes(command):
    """Damage in compressed data is said after the answers to what stood before it."""
    data = gzip.compress("".join(f"{n * 7919} {n * 104_729}\n" for n in range(100_000)).encode())
    result = command(data[:-1000])
    assert result.exit_code == 2
    assert "list: damaged compressed data" in result.stderr
    assert len(pairs_of(result.stdout)) > 10_000


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart"])
def test_a_list_that_grows_too_large_is_refused(http, kind):
    """The limit of a list holds without its compression, and is named."""
    data = gzip.compress(b'{"pairs": [' + b" " * 100_000_000)
    if kind == "multipart":
        answer = http.post(f"{API}/lookup", files={"file": data})
    else:
        answer = http.post(f"{API}/lookup", content=data, headers={"Content-Type": kind})
    assert answer.status_code == 413, answer.text
    assert answer.json()["setting"] == "EVENTINDEX_HTTP_LOOKUP_BYTES_MAX"
    assert "the list without its compression is above" in answer.json()["detail"]


def test_content_encoding(http):
    """gzip and zstd may be said in a header, for JSON too; what is not read is named."""
    packed = gzip.compress(b'{"pairs": [[1, 0]]}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = http.post(f"{API}/lookup", content=packed, headers=headers)
    assert answer.json()["answers"][0]["fuid_raw"] == fuid(0)
    refused = http.post(
        f"{API}/lookup", content=b"1 2", headers={**OCTETS, "Content-Encoding": "br"}
    )
    assert (refused.status_code, "br" in refused.json()["detail"]) == (415, True)
