"""Ingest goes on, whatever comes: with a real broker and a real database that refuses or stalls."""

from __future__ import annotations

import contextlib
import json

import grpc
import psycopg2
import pytest

from eventindex.v1 import admin_pb2, admin_pb2_grpc, event_pb2, ingest_pb2_grpc
from tests.conftest import execute, query
from tests.support.ingest import FUID, check_balance, json_event, wait_for_events
from tests.support.processes import Service, wait_until

ROOM_BYTES = 2_000_000


@pytest.fixture
def service(database_url, mosquitto, topics):
    """The service, with little room for dead letters and short waits for locks."""
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=mosquitto.url,
        dead_letters_bytes_max=ROOM_BYTES,
        database_lock_timeout_ms=300,
        retry_max_s=0.1,
        **topics.settings,
    )
    yield service.start()
    service.close()


def change_triggers(url: str, *statements: str) -> None:
    """Make or drop triggers, which a cluster (Citus) takes only where it is told to."""
    with contextlib.closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        # No other server minds the setting.
        for statement in ("SET citus.enable_unsafe_triggers = on", *statements):
            cursor.execute(statement)
        raw.commit()


def forbid_page_3(url: str) -> None:
    """Let the database refuse page 3 of any run, with a SQLSTATE that is no value's fault."""
    change_triggers(
        url,
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.page_no = 3 THEN RAISE EXCEPTION 'secret words' USING ERRCODE = '0A000'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER forbid BEFORE INSERT OR UPDATE ON event_page "
        "FOR EACH ROW EXECUTE FUNCTION forbid()",
    )


def letters(url: str) -> list[tuple[bytes, str, str]]:
    """Payload, reason and detail of the dead letters."""
    rows = query(url, "SELECT payload, reason, detail FROM dead_letter ORDER BY dead_letter_id")
    return [(bytes(payload), reason, detail) for payload, reason, detail in rows]


def replay(service: Service, number: int) -> admin_pb2.ReplayDeadLetterResponse:
    """Send a dead letter through the pipeline again."""
    with grpc.insecure_channel(service.address) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        request = admin_pb2.ReplayDeadLetterRequest(dead_letter_id=number)
        return stub.ReplayDeadLetter(request, timeout=60)


def test_a_message_with_many_refused_events_is_one_dead_letter(
    service, publisher, topics, database_url
):
    """Of 1,500 refused events the message is kept as it came; replaying it stores each once."""
    frozen = "INSERT INTO dataset (dsid_raw, name, state) VALUES (9, 'f', 2)"
    execute(database_url, frozen)
    events = [json_event(1, n, dsid=4 if n < 100 else 9) for n in range(1_598)]
    message = f"[{','.join([*events, '7', '8'])}]"
    publisher.publish(topics.json, message, json_event(2, 1))
    publisher.flush()
    wait_for_events(database_url, 101)
    wait_until(lambda: letters(database_url), what="the dead letter")
    [(payload, reason, detail)] = letters(database_url)
    assert (payload.decode(), reason) == (message, "closed_dataset")
    assert "1500 of 1600 events" in detail
    assert "closed_dataset 1498, wrong_type 2" in detail
    check_balance(service)
    outcome = replay(service, 1).outcome
    assert (outcome.duplicates, outcome.inserted, outcome.rejected) == (100, 0, 1500)
    execute(database_url, "UPDATE dataset SET state = 1")
    outcome = replay(service, 1).outcome
    assert (outcome.duplicates, outcome.inserted, outcome.rejected) == (100, 1498, 2)
    assert len(letters(database_url)) == 1


def test_an_event_that_cannot_be_stored_is_a_dead_letter(service, publisher, topics, database_url):
    """The others of its message are stored; the driver's words stay in the log."""
    forbid_page_3(database_url)
    poison = json_event(1, 3 * 8192)
    message = f"[{','.join([*(json_event(1, n) for n in range(50)), poison])}]"
    publisher.publish(topics.json, message, json_event(2, 1), poison)
    publisher.flush()
    wait_for_events(database_url, 51)
    wait_until(lambda: len(letters(database_url)) == 2, what="the dead letters")
    for payload, reason, detail in letters(database_url):
        assert (payload.decode(), reason) == (poison, "cannot_store")
        assert "secret words" not in detail
    assert "secret words" in service.tail(), service.tail()
    check_balance(service)
    outcome = replay(service, 1).outcome
    assert (outcome.rejected, len(letters(database_url))) == (1, 2)
    change_triggers(database_url, "DROP TRIGGER forbid ON event_page")
    assert replay(service, 1).outcome.inserted == 1
    assert len(letters(database_url)) == 1


def test_an_event_that_cannot_be_stored_is_a_rejection_over_grpc(service, database_url):
    """The caller is told which, the rest is acknowledged, and the stream goes on."""
    forbid_page_3(database_url)
    batches = [
        event_pb2.EventBatch(
            batch_id=number,
            files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
            run_numbers=[1],
            event_numbers=[number, 3 * 8192 + number, number + 100],
            file_indexes=[1, 1, 1],
        )
        for number in range(3)
    ]
    with grpc.insecure_channel(service.address) as channel:
        acks = list(ingest_pb2_grpc.IngestServiceStub(channel).Ingest(iter(batches), timeout=60))
    for ack in acks:
        assert (ack.inserted, ack.rejected) == (2, 1)
        [rejection] = ack.rejections
        assert rejection.index == 1
        assert rejection.reason.startswith("cannot_store: ")
        assert "secret words" not in rejection.reason


def test_a_run_that_somebody_holds_does_not_stop_the_others(
    service, publisher, topics, database_url
):
    """While another session holds a run, events of other runs are stored, its own are kept."""
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM run WHERE run_number = 1 FOR UPDATE")
        publisher.publish(topics.json, json_event(1, 2), json_event(2, 2), json_event(3, 2))
        wait_for_events(database_url, 3)
        wait_until(lambda: letters(database_url), what="the dead letter")
    # Closed alone, it would be rolled back a moment later.
    connection.rollback()
    connection.close()
    assert [(json.loads(p)["run_number"], r) for p, r, _ in letters(database_url)] == [
        (1, "cannot_store")
    ]
    assert replay(service, 1).outcome.inserted == 1


def test_a_locked_table_is_waited_for(service, publisher, topics, database_url):
    """While a table is locked no event is refused: the database does nothing else either."""
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE event_page IN SHARE MODE")
        publisher.publish(topics.json, json_event(1, 1), json_event(2, 2))
        retries = "eventindex_ingest_store_retries_total"
        wait_until(lambda: service.metric(retries) > 6, what="retries")
    connection.close()
    wait_for_events(database_url, 2)
    assert letters(database_url) == []


def test_room_for_dead_letters_is_bounded(service, publisher, topics, database_url):
    """The oldest stay, new ones are counted, readiness says so; what is discarded makes room."""
    publisher.publish(topics.json, *("x" * 150_000 + str(n) for n in range(20)), json_event(1, 1))
    wait_for_events(database_url, 1)
    left = "eventindex_ingest_dead_letters_left_total"
    wait_until(lambda: service.metric(left) == 7, what="letters without room")
    kept = letters(database_url)
    assert [payload[150_000:] for payload, _, _ in kept] == [b"%d" % n for n in range(13)]
    status, text = service.page("/readyz")
    assert status == 503
    assert "dead_letters: no room" in text
    assert service.metric("eventindex_ingest_dead_letters_bytes") < ROOM_BYTES
    assert service.metric("eventindex_ingest_dead_letters_bytes_max") == ROOM_BYTES
    check_balance(service)
    execute(database_url, "DELETE FROM dead_letter WHERE dead_letter_id < 10")
    wait_until(lambda: service.page("/readyz")[0] == 200, what="room")
    publisher.publish(topics.json, "y")
    wait_until(lambda: len(letters(database_url)) == 5, what="the new dead letter")


def test_a_large_telescope_record_is_refused(service, publisher, topics, database_url):
    """A record of 64 KiB is stored, a longer one is a dead letter that says so."""
    head = '{"RunNumber":5,"EventNumber":%d,"x":"'
    good, long = (head % n + "a" * (65_536 - 2 - len(head % n) + n) + '"}' for n in (0, 1))
    publisher.publish(topics.cosmic("7"), f"{good}\n{long}")
    wait_for_events(database_url, 1)
    wait_until(lambda: letters(database_url), what="the dead letter")
    [(payload, reason, detail)] = letters(database_url)
    assert (payload.decode(), reason) == (long, "too_large")
    assert "65537 bytes" in detail
