"""Telescope records of which any field is null or left out, by every call that shows them."""

from __future__ import annotations

import csv
import io
import itertools
import json

import grpc
import httpx
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from event_store.telescope.names import cosmic_fuid
from eventindex.cli import main
from eventindex.v1 import ingest_pb2, ingest_pb2_grpc, lookup_pb2, lookup_pb2_grpc
from tests.support.gateway import database, gateway, lines_of
from tests.support.processes import Service

API = "/api/v1"
INT64 = st.integers(-(2**63), 2**63 - 1)
# What a record may hold beside its run and event number, by the name of the answer's field.
ANSWERED = {
    "CosmicBlock": "cosmic_block",
    "TriggerBits": "trigger_bits",
    "Format": "format",
    "ClockCount": "clock_count",
    "TriggerCounter": "trigger_counter",
    "Epoch": "epoch",
    "CounterClocks": "counter_clocks",
    "EventCounter": "event_counter",
}
FULL = {
    **dict.fromkeys(ANSWERED, 3),
    "Timestamp": 622_234_535,
    "TDC": {"0": {"Data": [5, None], "Calib": [2], "Calib1": 1, "Calib2": None}, "1": None},
}
TDC = st.dictionaries(
    st.sampled_from(["0", "1", "a"]),
    st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "Data": st.none() | INT64 | st.lists(st.none() | INT64, max_size=3),
            "Calib": st.none() | st.lists(st.none() | INT64, max_size=2),
            "Calib1": st.none() | INT64,
            "Calib2": st.none() | INT64,
        },
    ),
    max_size=2,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.none() | INT64 for name in ANSWERED},
        "CosmicBlock": st.none() | st.integers(-1, 2),
        "TriggerBits": st.none() | st.integers(0, 2**64 - 1),
        "Timestamp": st.none() | st.integers(0, 10**9),
        "TDC": st.none() | TDC,
        "DetectorId": st.none(),
    },
)
NULLS = [FULL, *({**FULL, name: None} for name in FULL), *(
    {key: value for key, value in FULL.items() if key != name} for name in FULL), {}]  # fmt: skip
RUNS = itertools.count(1000)


@pytest.fixture(scope="module")
def stack(postgres, _template):
    """All services: stubs of the two, a client of the gateway."""
    with database(postgres, _template) as url:
        ingest = Service("ingest_service", database_url=url).start()
        index = Service("index_service", database_url=url).start()
        with (
            gateway(url, index.address, ingest.address) as (_, http),
            grpc.insecure_channel(index.address) as reads,
            grpc.insecure_channel(ingest.address) as writes,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setenv("EVENTINDEX_INDEX_ADDRESS", index.address)
            patch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest.address)
            yield (
                lookup_pb2_grpc.IndexServiceStub(reads),
                ingest_pb2_grpc.IngestServiceStub(writes),
                http,
            )
        index.close()
        ingest.close()


@example(records=NULLS)
@example(records=[{"CosmicBlock": 1}, {}])
@given(records=st.lists(RECORD, min_size=1, max_size=6))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_field_may_be_null_in_any_mixture(stack, records):
    """Every call lists, counts and shows such records, one beside the other, with all they hold."""
    stub, ingest, http = stack
    run = next(RUNS)
    detector = f"d{run}"
    lines = [json.dumps({"RunNumber": run, "EventNumber": n} | r) for n, r in enumerate(records)]
    batch = ingest_pb2.CosmicBatch(detector_id=detector, records=[line.encode() for line in lines])
    assert next(ingest.IngestCosmic(iter([batch]), timeout=60)).inserted == len(records)
    fuids = [str(cosmic_fuid(detector, run, record.get("CosmicBlock"))) for record in records]
    check_rpcs(stub, run, detector, records, lines, fuids)
    check_rest(http, run, detector, records, fuids)
    check_commands(run, detector, records, fuids)


def check_rpcs(stub, run, detector, records, lines, fuids):
    """The records, their counts, files and events over gRPC."""
    one = lookup_pb2.GetCosmicEventsRequest(run_first=run, run_last=run)
    of_detector = lookup_pb2.GetCosmicEventsRequest(detector_id=detector)
    for selection in (one, of_detector):
        found = [e for part in stub.GetCosmicEvents(selection, timeout=60) for e in part.events]
        assert [event.fuid_raw for event in found] == fuids
        assert [event.payload for event in found] == lines
        for event, record in zip(found, records, strict=True):
            for name, field in ANSWERED.items():
                value = getattr(event, field) if event.HasField(field) else None
                assert value == record.get(name), name
            assert event.HasField("unix_seconds") == (record.get("Timestamp") is not None)
        for by in lookup_pb2.CosmicCountBy.values():
            request = lookup_pb2.CountCosmicEventsRequest(selection=selection, by=by)
            counted = stub.CountCosmicEvents(request, timeout=60)
            assert counted.total == len(records)
            assert sum(count.events for count in counted.counts) == (len(records) if by else 0)
    runs = stub.ListRuns(lookup_pb2.ListRunsRequest(detector_id=detector)).runs
    assert [(row.run_number, row.events) for row in runs] == [(run, len(records))]
    own = f"cosmic.{detector}"
    files = stub.ListFiles(lookup_pb2.ListFilesRequest(run_number=run, collection=own)).files
    assert {row.file.fuid_raw for row in files} == set(fuids)
    for fuid in set(fuids):
        answers = stub.ReadRawFile(lookup_pb2.ReadRawFileRequest(fuid_raw=fuid), timeout=60)
        read = [line for answer in answers for line in answer.lines]
        assert read == [line for line, of in zip(lines, fuids, strict=True) if of == fuid]
        request = lookup_pb2.GetFileRequest(fuid_raw=fuid, with_events=True)
        assert sum(row.events for row in stub.GetFile(request).runs) == fuids.count(fuid)
    numbers = range(len(records))
    pairs = lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=numbers, collection=own)
    assert stub.Lookup(pairs).found == len(records)


def check_rest(http: httpx.Client, run, detector, records, fuids):
    """The same over HTTP, as the page asks for it."""
    for query in ({"run": run}, {"detector": detector}):
        listed = http.get(f"{API}/cosmic/events", params=query)
        assert listed.status_code == 200, listed.text
        assert [event["fuid_raw"] for event in lines_of(listed)] == fuids
        for by in ("run", "block", "hour", "detector"):
            counted = http.get(f"{API}/cosmic/counts", params={**query, "by": by})
            assert counted.status_code == 200, counted.text
            assert sum(count["events"] for count in counted.json()["counts"]) == len(records)
    for path in (
        f"/runs?detector={detector}",
        *(
            f"/{path}{'&' if '?' in path else '?'}detector={detector}"
            for path in (
                *(f"runs/{run}", f"files?run={run}", f"runs/{run}/gaps", f"events?run={run}"),
                *(f"counts?run={run}&by=run", f"events/{run}/0"),
            )
        ),
        *(f"/files/{fuids[0]}{part}" for part in ("", "/events", "/content")),
    ):
        answer = http.get(API + path)
        assert answer.status_code == 200, f"{path}: {answer.text}"


def check_commands(run, detector, records, fuids):
    """The same by the command line, for people and for machines."""
    text = command("cosmic", "--run", str(run), "--format", "csv")
    assert [row["fuid_raw"] for row in csv.DictReader(io.StringIO(text))] == fuids
    shown = json.loads(command("cosmic", "--detector", detector, "--format", "json"))
    assert [event["cosmic_block"] for event in shown] == [r.get("CosmicBlock") for r in records]
    assert len(command("cosmic", "--run", str(run)).splitlines()) == len(records) + 1
    for by in ("run", "block", "hour", "detector"):
        counted = command("cosmic", "--detector", detector, "--count-by", by)
        assert counted.splitlines()[-1].startswith(f"{len(records)} event")
    command("runs", "--detector", detector)
    command("files", "list", "--run", str(run), "--detector", detector)
    command("files", "show", fuids[0])
    command("files", "cat", fuids[0])


def command(*arguments: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, f"{arguments}: {result.stderr}"
    return result.stdout


def test_all_of_them_together(stack):
    """Without any filter, records of all detectors, runs and blocks are listed and counted."""
    stub = stack[0]
    records = list(stub.GetCosmicEvents(lookup_pb2.GetCosmicEventsRequest()))
    total = sum(len(part.events) for part in records)
    for by in lookup_pb2.CosmicCountBy.values():
        assert stub.CountCosmicEvents(lookup_pb2.CountCosmicEventsRequest(by=by)).total == total
    assert len(json.loads(command("cosmic", "--format", "json"))) == total
    assert len(lines_of(stack[2].get(f"{API}/cosmic/events"))) == total
