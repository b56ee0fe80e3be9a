"""The client and the command line against the real services, PostgreSQL and broker."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import queue
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

import eventindex
from eventindex import EventColumns, RawFile
from eventindex.generate import Plan, generate
from tests.support.client import fuid
from tests.support.command import run
from tests.support.ports import free_port
from tests.support.processes import Service, wait_until

DATA = Path(__file__).parents[1] / "data"
TOPICS = [("cosmic/0/event", 1), ("eventindex/v1/json/daq", 1), ("other", 1)]


@pytest.fixture
def environment(index_address, ingest_address, monkeypatch, tmp_path):
    """The commands find the services by the environment."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.chdir(tmp_path)


def test_what_is_acknowledged_is_found(client):
    """Generated events go in by batches and come out of a stream with the files they had."""
    blocks = list(generate(Plan(runs=4, events=20_000, streams=3, events_per_file=1000)))
    acks = list(client.ingest(blocks))
    assert [ack.inserted for ack in acks] == [len(block) for block in blocks]
    pairs = [(b.run_numbers, b.event_numbers) for b in blocks]
    for block, result in zip(
        blocks, client.lookup_stream(pairs, with_olt_result=True), strict=True
    ):
        names = np.array([file.fuid_raw for file in block.files], object)
        assert (result.fuids() == names[np.asarray(block.file_indexes) - 1]).all()
        assert result.olt_results is not None
        assert (result.olt_results == block.olt_results).all()
        assert result.not_found == 0
    assert [ack.duplicates for ack in client.ingest(blocks)] == [len(block) for block in blocks]


def test_the_ends_of_every_range(client):
    """The largest numbers and a file in upper case go in and come out."""
    name = "ABCDEF00-0000-4000-8000-00000000ABCD"
    top = 2**63 - 1
    batch = EventColumns([RawFile(name, 2**31 - 1)], [top], [0, top], [1, 1],
                         np.array([0, 2**64 - 1], np.uint64))  # fmt: skip
    assert [ack.inserted for ack in client.ingest([batch])] == [2]
    event = client.get_event(top, top)
    assert (event.olt_result, event.file.dsid_raw) == (2**64 - 1, 2**31 - 1)
    assert event.file.fuid_raw.lower() == name.lower()
    with pytest.raises(eventindex.NotFoundError):
        client.get_event(top, 1)


def test_runs_of_the_index(client):
    """runs() gives every run with its numbers of events and files."""
    list(client.ingest(generate(Plan(runs=30, events=100, gap_fraction=0))))
    runs = list(client.runs())
    assert [run.run_number for run in runs] == list(range(1, 31))
    assert all((run.events, run.files, run.event_last) == (100, 2, 100) for run in runs)
    assert [run.run_number for run in client.runs(run_first=5, run_last=6)] == [5, 6]


def test_the_cms_sample_by_command(environment):
    """500 events, 1,804 duplicates, and 2,304 rows answered in their order."""
    sample = str(DATA / "cms_zmumu_run2010.csv")
    loaded = run("load", sample, "--fuid-per-run", "--dsid", "7")
    assert "500 inserted, 1,804 duplicates, 0 conflicts, 0 refused" in loaded.stderr
    found = run("lookup", sample, "--format", "csv")
    assert found.exit_code == 0
    asked = list(csv.reader((DATA / "cms_zmumu_run2010.csv").read_text().splitlines()))
    rows = list(csv.reader(io.StringIO(found.stdout)))
    assert [row[:2] for row in rows] == asked


def test_the_dump_by_command(environment):
    """Telescope events load as they stand; again, they are duplicates."""
    dump = str(DATA / "dump.dat")
    assert "3 inserted" in run("load", dump).stderr
    assert "3 duplicates" in run("load", dump).stderr
    found = run("lookup", "-", "--format", "files", text="12345 4917\n12345:4918\n12345/4919\n")
    assert found.exit_code == 3
    assert "cosmic.0 (--detector 0)" in found.stderr
    pairs = "12345 4917\n12345:4918\n12345/4919\n"
    found = run("lookup", "-", "--detector", "0", "--format", "files", text=pairs)
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0].endswith("3 events")


def test_bad_rows_by_command(environment, tmp_path):
    """Bad rows are named and the others stored; a conflict is counted and the first stays."""
    header = "run_number,event_number,dsid_raw,fuid_raw\n"
    (tmp_path / "a.csv").write_text(f"{header}1,1,1,{fuid(1)}\n1,x,1,{fuid(1)}\n")
    result = run("load", "a.csv")
    assert result.exit_code == 3
    assert "a.csv: line 3: event_number: 'x'" in result.stderr
    (tmp_path / "b.csv").write_text(f"{header}1,1,1,{fuid(2)}\n")
    assert "1 conflicts" in run("load", "b.csv").stderr
    assert fuid(1) in run("lookup", "1", "1").stdout


def test_a_stream_survives_the_death_of_the_index_service(database_url, ingest_address):
    """kill -9 in the middle of a stream and a restart: every answer once, in order."""
    service = Service("index_service", database_url=database_url).start()
    try:
        with eventindex.connect(
            service.address, ingest_address=ingest_address, retry_seconds_max=60
        ) as client:
            blocks = list(generate(Plan(runs=1, events=5_000, gap_fraction=0)))
            list(client.ingest(blocks))
            events = np.asarray(blocks[0].event_numbers)
            results = client.lookup_stream((1, part) for part in np.split(events, 100))
            answers = [next(results) for _ in range(10)]
            service.kill()
            service.start()
            answers += results
        assert (np.concatenate([a.event_numbers for a in answers]) == events).all()
        assert sum(answer.found for answer in answers) == 5_000
    finally:
        service.close()


@pytest.fixture
def subscriber(mosquitto):
    """What a subscriber gets from the broker, as (topic, payload)."""
    received: queue.Queue[tuple[str, bytes]] = queue.Queue()
    ready: queue.Queue[bool] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _d, message: received.put((message.topic, message.payload))
    client.on_subscribe = lambda *_: ready.put(True)
    client.on_connect = lambda *_: client.subscribe(TOPICS)
    host, port = mosquitto.url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    ready.get(timeout=10)
    yield received
    client.disconnect()
    client.loop_stop()


def test_publish_sends_each_line(mosquitto, subscriber):
    """Each line of a dump is a message as it stands, acknowledged by the broker."""
    dump = DATA / "dump.dat"
    result = run("publish", str(dump), "--topic", "cosmic/0/event", "--url", mosquitto.url)
    assert (result.exit_code, result.stderr) == (0, "3 messages acknowledged by the broker\n")
    got = [subscriber.get(timeout=10) for _ in range(3)]
    assert got == [("cosmic/0/event", line) for line in dump.read_bytes().splitlines()]


def test_publish_sends_csv_as_json(mosquitto, subscriber, tmp_path):
    """The rows of a CSV file become JSON arrays of up to 100 events; thousands go through."""
    out = str(tmp_path / "e.csv")
    run("generate", "-o", out, "--runs", "1", "--events", "150", "--gaps", "0")
    result = run("publish", out, "--topic", "eventindex/v1/json/daq", "--url", mosquitto.url)
    assert "2 messages" in result.stderr
    events = [event for _ in range(2) for event in json.loads(subscriber.get(timeout=10)[1])]
    assert [event["event_number"] for event in events] == list(range(1, 151))
    lines = tmp_path / "many.jsonl"
    lines.write_text("{}\n" * 2_000)
    result = run("publish", str(lines), "--topic", "other", "--url", mosquitto.url)
    assert "2,000 messages" in result.stderr
    assert [subscriber.get(timeout=10)[0] for _ in range(2_000)] == ["other"] * 2_000


def test_publish_says_what_is_wrong(mosquitto, tmp_path):
    """No broker, a bad URL or a bad topic is one line; an unheard message is said."""
    dump = str(DATA / "dump.dat")
    nobody = run("publish", dump, "--topic", "t", "--url", "mqtt://127.0.0.1:9")
    assert (nobody.exit_code, nobody.stderr) == (
        1,
        "eventindex: broker 127.0.0.1:9: Connection refused\n",
    )
    assert run("publish", dump, "--topic", "t", "--url", "http://x").exit_code == 1
    for topic in ("a/+/b", "cosmic/#", "", "a\0b", "x" * 70_000):
        wrong = run("publish", dump, "--topic", topic, "--url", mosquitto.url)
        assert (wrong.exit_code, "--topic" in wrong.stderr) == (2, True)
    unheard = run("publish", dump, "--topic", "nobody/here", "--url", mosquitto.url)
    assert unheard.exit_code == 3
    assert "nobody is subscribed to nobody/here" in unheard.stderr


def test_publish_that_is_cut_short_leaves_no_traceback(mosquitto, tmp_path):
    """Where the broker refuses in the middle of a CSV file, one line says so and nothing else."""
    out = tmp_path / "events.csv"
    rows = "".join(f"1,{n},0,1,{uuid.uuid4()}\n" for n in range(1000))
    out.write_text(f"run_number,event_number,olt_result,dsid_raw,fuid_raw\n{rows}")
    code = """
import sys
from eventindex.cli import main, publish_mqtt as mqtt
def refuse(*_): raise mqtt.BrokerError("the broker refuses a message")
mqtt.Publisher.publish = refuse
main(sys.argv[1:])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "publish", out, "--topic", "t", "--url", mosquitto.url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "eventindex: the broker refuses a message\n")


def test_migrate_by_command(postgres, database_url):
    """migrate says what it did, or that there is nothing to do, or why it could not."""
    assert run("migrate", "--database", database_url).stdout.startswith("nothing to do")
    result = run("migrate", "--database", "postgresql://nobody@127.0.0.1:9/none")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def everything() -> tuple[object, ...]:
    """What the index holds beside the events that the page makes, and what was decided."""
    with eventindex.connect() as index:
        runs = [run[:6] for run in index.runs()]
        datasets = [row[:4] for row in index.datasets() if row.dsid_raw < 2_000_000_000]
        return runs, datasets, index.criteria(), list(index.conflicts(with_resolved=True))


def test_the_examples_of_the_documentation(environment, capsys):
    """The Python blocks of docs/client.md run as they stand, against the addresses of the test."""
    run("load", str(DATA / "dump.dat"))
    before = everything()
    page = (DATA.parents[1] / "docs" / "client.md").read_text("utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block.replace('connect("127.0.0.1:50051")', "connect()"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[2] == "None"
    assert "3 0 0 0" in printed
    assert "1 3 0 0" in printed
    assert "99999999 is not in the index" in printed
    assert names["found"] == 3
    assert everything() == before


def test_publish_to_a_broker_of_mqtt_3(tmp_path):
    """A broker that does not answer MQTT 5 is spoken to in 3.1.1."""
    address = f"127.0.0.1:{free_port()}"
    password = tmp_path / "password"
    password.write_text("secret\n")
    broker = subprocess.Popen(
        [sys.executable, "-m", "local_stack.amqtt_broker", address, str(password)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        host, port = address.split(":")
        wait_until(lambda: listens(host, int(port)), what="amqtt")
        dump = str(DATA / "dump.dat")
        publish = ("publish", dump, "--topic", "cosmic/0/event", "--url")
        result = run(*publish, f"mqtt://eventindex:secret@{address}")
        assert (result.exit_code, result.stderr) == (0, "3 messages acknowledged by the broker\n")
        result = run(*publish, f"mqtt://eventindex:guess@{address}")
        assert result.exit_code == 1
        assert "guess" not in result.stderr
    finally:
        broker.kill()
        broker.wait(10)


def listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False
