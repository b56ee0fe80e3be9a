"""AdminService over the real service: datasets, conflicts, criteria, dead letters, verify."""

from __future__ import annotations

import json
import threading
import uuid

import grpc
import psycopg2
import pytest

from event_store.model import DeadLetter, Outcome
from event_store.pages.format import SLOTS_PER_PAGE
from event_store.write.writer import Store
from eventindex.v1 import admin_pb2, admin_pb2_grpc, event_pb2, ingest_pb2, ingest_pb2_grpc
from service_kit.settings import MESSAGE_BYTES_MAX
from tests.conftest import execute, query
from tests.support.admin import FILES, columns, differences, files_of
from tests.support.ingest import FUID, json_event
from tests.support.processes import wait_until

OPEN, FROZEN, RETIRED = (event_pb2.DATASET_STATE_OPEN, 2, 3)
KEEP = admin_pb2.CONFLICT_RESOLUTION_KEEP
REPLACE = admin_pb2.CONFLICT_RESOLUTION_REPLACE
JSON_TOPIC = "eventindex/v1/json/daq"


@pytest.fixture
def channel(ingest_address):
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
    with grpc.insecure_channel(ingest_address, options) as opened:
        yield opened


@pytest.fixture
def admin(channel):
    """A client whose methods take the fields of the request."""
    stub = admin_pb2_grpc.AdminServiceStub(channel)

    class Client:
        def __getattr__(self, method):
            make = getattr(admin_pb2, f"{method}Request")
            return lambda **fields: getattr(stub, method)(make(**fields), timeout=60)

    return Client()


def refused(call, **fields) -> tuple[grpc.StatusCode, str]:
    """The status and the text of a call that fails."""
    with pytest.raises(grpc.RpcError) as error:
        answer = call(**fields)
        for _ in answer if hasattr(answer, "cancel") else ():
            pass
    return error.value.code(), error.value.details()


def events(url: str, run: int = 1) -> dict[int, tuple[str, int, int]]:
    """The events of a run: number -> (file, dataset, olt)."""
    rows = query(
        url,
        "SELECT event_number, fuid_raw::text, dsid_raw, olt_result FROM events "
        "WHERE run_number = %s",
        (run,),
    )
    return {event: tuple(values) for event, *values in rows}


def value(file: int, olt: int = 0) -> tuple[str, int, int]:
    return str(FILES[file].fuid), FILES[file].dsid, olt


def test_dataset_gets_a_name_a_state_and_a_comment(admin, store):
    """Given values change, the others stay; the answer holds the dataset's counts."""
    store.write(columns(1, [1, 2, 3], 0, [0, 3, 0]))
    answer = admin.UpdateDataset(dsid_raw=1, name="2026/muons", comment="first light").dataset
    assert (answer.name, answer.state, answer.comment) == ("2026/muons", OPEN, "first light")
    assert (answer.events, answer.files, answer.created.seconds > 0) == (3, 2, True)
    answer = admin.UpdateDataset(dsid_raw=1, state=FROZEN).dataset
    assert (answer.name, answer.state, answer.comment) == ("2026/muons", FROZEN, "first light")
    assert admin.UpdateDataset(dsid_raw=1, name="2026/muons", comment="").dataset.comment == ""


def test_frozen_dataset_refuses_events_and_says_so(admin, channel, store):
    """After freezing, the ingest service rejects new events of the dataset until it is opened."""
    store.write(columns(1, [1], 0, 0))
    admin.UpdateDataset(dsid_raw=1, state=FROZEN)
    ingest = ingest_pb2_grpc.IngestServiceStub(channel)
    batch = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=1)],
        run_numbers=[1],
        event_numbers=[8, 9],
        file_indexes=[1, 1],
    )
    (ack,) = ingest.Ingest(iter([batch]), timeout=60)
    assert (ack.inserted, ack.rejected) == (0, 2)
    assert "frozen or retired" in ack.rejections[0].reason
    admin.UpdateDataset(dsid_raw=1, state=OPEN)
    (ack,) = ingest.Ingest(iter([batch]), timeout=60)
    assert ack.inserted == 2


def test_no_writer_commits_after_freezing(admin, store, database_url):
    """Once the answer to a freeze is there, writers that were running add nothing any more."""
    store.write(columns(1, [0], 0, 0))
    closed, progress = threading.Event(), threading.Event()

    def write(run: int) -> None:
        own, event = Store(database_url), 0
        while not closed.is_set():
            outcome = own.write(columns([run, run + 1], [event, event], 0, 0))
            if event == 20:
                progress.set()
            event += 1
            if Outcome.CLOSED_DATASET in outcome:
                closed.set()
        own.close()

    threads = [threading.Thread(target=write, args=(run,)) for run in (2, 4)]
    for thread in threads:
        thread.start()
    assert progress.wait(60)
    frozen = admin.UpdateDataset(dsid_raw=1, state=FROZEN)
    count = "SELECT sum(n_events) FROM raw_file WHERE dsid_raw = 1"
    stored = query(database_url, count)
    assert frozen.dataset.state == FROZEN
    for thread in threads:
        thread.join(60)
    assert closed.is_set()
    assert query(database_url, count) == stored


def test_freezing_waits_for_a_transaction_that_read_the_open_state(admin, store, database_url):
    """A writer in the middle of its transaction holds the answer to a freeze back."""
    store.write(columns(1, [1], 0, 0))
    writer = psycopg2.connect(database_url)
    with writer.cursor() as cursor:
        # What every writer does first: see catalogue.closed_datasets.
        cursor.execute("SELECT pg_advisory_xact_lock_shared(1165379942)")
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(admin.UpdateDataset(dsid_raw=1, state=FROZEN))
        )
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: query(database_url, waiting) == [(1,)], 30, "a waiting freeze")
        assert not answers
        assert query(database_url, "SELECT state FROM dataset WHERE dsid_raw = 1") == [(FROZEN,)]
        writer.commit()
        thread.join(30)
    writer.close()
    assert answers


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"dsid_raw": 77, "comment": "x"}, "NOT_FOUND", "dsid_raw=77"),
        ({"dsid_raw": 2**31, "comment": "x"}, "INVALID_ARGUMENT", "dsid_raw=2147483648"),
        ({"dsid_raw": 1}, "INVALID_ARGUMENT", "nothing to change"),
        ({"dsid_raw": 1, "state": 0}, "INVALID_ARGUMENT", "state=0"),
        ({"dsid_raw": 1, "state": 9}, "INVALID_ARGUMENT", "state=9"),
        ({"dsid_raw": 1, "name": ""}, "INVALID_ARGUMENT", "name=''"),
        ({"dsid_raw": 1, "name": "a\nb"}, "INVALID_ARGUMENT", "name='a\\nb'"),
        ({"dsid_raw": 1, "name": "x" * 256}, "INVALID_ARGUMENT", "256 characters"),
        ({"dsid_raw": 1, "name": "dsid-2"}, "INVALID_ARGUMENT", "dsid-2"),
        ({"dsid_raw": 1, "name": "cosmic.1.2"}, "INVALID_ARGUMENT", "cosmic.1.2"),
        ({"dsid_raw": 1, "name": "taken"}, "ALREADY_EXISTS", "name='taken' is the name of"),
        ({"dsid_raw": 1, "comment": "x" * 4001}, "INVALID_ARGUMENT", "comment="),
    ],
)
def test_bad_change_of_a_dataset(admin, store, fields, code, text):
    """A change that cannot be is refused with the field and the value, and changes nothing."""
    store.write(columns(1, [1, 2], 0, [0, 1]))
    admin.UpdateDataset(dsid_raw=2, name="taken")
    got, details = refused(admin.UpdateDataset, **fields)
    assert (got.name, text in details) == (code, True), details
    assert admin.UpdateDataset(dsid_raw=1, comment="").dataset.name == "dsid-1"


def test_delete_streams_progress_and_can_be_called_again(admin, store, database_url):
    """A deletion that is cut off after its first transaction is finished by the next call."""
    assert refused(admin.DeleteDataset, dsid_raw=5)[0] is grpc.StatusCode.NOT_FOUND
    numbers = range(0, 300 * SLOTS_PER_PAGE, 2000)
    store.write(columns(1, numbers, 0, [i % 2 for i in range(len(numbers))]))
    code, text = refused(admin.DeleteDataset, dsid_raw=1)
    assert (code, "dsid_raw=1 is open" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    admin.UpdateDataset(dsid_raw=1, state=RETIRED)
    total = -(-len(numbers) // 2)
    call = admin.DeleteDataset(dsid_raw=1)
    first, second = next(call), next(call)
    assert (first.events_removed, first.events_left) == (0, total)
    assert 0 < second.events_removed < total
    assert second.events_removed + second.events_left == total
    call.cancel()
    last = list(admin.DeleteDataset(dsid_raw=1))[-1]
    assert last.events_left == 0
    assert differences(database_url) == []
    assert {dsid for _, dsid, _ in events(database_url).values()} == {2}
    assert len(events(database_url)) == len(numbers) // 2
    again = list(admin.DeleteDataset(dsid_raw=1))
    assert [(answer.events_removed, answer.events_left) for answer in again] == [(0, 0)] * 2
    assert admin.UpdateDataset(dsid_raw=1, comment="deleted").dataset.events == 0


def cosmic_line(event: int, **changes) -> bytes:
    fields = {"DetectorId": None, "RunNumber": 5, "EventNumber": event, "CosmicBlock": 1}
    return json.dumps(fields | {"TriggerBits": 3, "Timestamp": 10} | changes).encode()


def send_cosmic(channel, detector: str, *lines: bytes) -> ingest_pb2.IngestAck:
    """Send telescope records; the acknowledgement."""
    stub = ingest_pb2_grpc.IngestServiceStub(channel)
    batch = ingest_pb2.CosmicBatch(detector_id=detector, records=lines)
    (ack,) = stub.IngestCosmic(iter([batch]), timeout=60)
    return ack


def test_deleting_a_telescope_takes_its_records(admin, channel, database_url):
    """Records of the telescope's dataset go, another detector's of the same run stay."""
    send_cosmic(channel, "7", cosmic_line(1), cosmic_line(2))
    assert send_cosmic(channel, "8", cosmic_line(2), cosmic_line(3)).conflicts == 1
    numbers = dict(query(database_url, "SELECT name, dsid_raw FROM dataset"))
    records = "SELECT detector_id, event_number FROM cosmic_event ORDER BY 1, 2"
    dsid = numbers["cosmic.8.5"]
    assert refused(admin.UpdateDataset, dsid_raw=dsid, name="mine")[0].name == "FAILED_PRECONDITION"
    admin.UpdateDataset(dsid_raw=dsid, state=RETIRED)
    assert list(admin.DeleteDataset(dsid_raw=dsid))[-1].events_removed == 1
    assert query(database_url, records) == [("7", 1), ("7", 2)]
    assert differences(database_url) == []


def conflict_ids(url: str) -> list[int]:
    """The numbers of the open conflicts."""
    sql = "SELECT conflict_id FROM event_conflict WHERE resolution = '' ORDER BY 1"
    return [number for (number,) in query(url, sql)]


def test_keep_records_who_decided(admin, store, database_url):
    """A kept conflict says by whom and when; it cannot be decided again; the event is as it was."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    (number,) = conflict_ids(database_url)
    answer = admin.ResolveConflict(conflict_id=number, resolution=KEEP, resolved_by="anna")
    conflict = answer.conflict
    assert (conflict.resolution, conflict.resolved_by) == ("kept", "anna")
    assert conflict.resolved.seconds > 0
    assert (conflict.stored.olt_result, conflict.offered.olt_result) == (5, 6)
    assert events(database_url) == {1: value(0, 5)}
    code, text = refused(
        admin.ResolveConflict, conflict_id=number, resolution=REPLACE, resolved_by="bob"
    )
    assert (code.name, "kept by anna" in text) == ("FAILED_PRECONDITION", True)
    store.write(columns(1, [1], 6, 1))
    assert conflict_ids(database_url) == []


def test_replace_changes_the_event_its_files_and_the_other_conflicts(admin, store, database_url):
    """The offered value is stored; counts and bounds of both files and open conflicts follow."""
    store.write(columns(1, [1, 2, 9000], 2**63, [0, 0, 0]))
    store.write(columns(1, [1], 6, 1))
    store.write(columns(1, [1], 7, 2))
    generation = "SELECT generation FROM run"
    before = query(database_url, generation)
    first, second = conflict_ids(database_url)
    admin.ResolveConflict(conflict_id=first, resolution=REPLACE, resolved_by="anna")
    assert events(database_url) == {1: value(1, 6), 2: value(0, -(2**63)), 9000: value(0, -(2**63))}
    assert files_of(database_url) == {
        (str(FILES[0].fuid), 1): (2, 2, 9000),
        (str(FILES[1].fuid), 2): (1, 1, 1),
    }
    assert query(database_url, generation) > before
    assert differences(database_url) == []
    stored = "SELECT stored_fuid_raw::text, stored_olt_result FROM event_conflict WHERE "
    assert query(database_url, f"{stored} conflict_id = {second}") == [(str(FILES[1].fuid), 6)]
    assert store.write(columns(1, [1], 6, 1)).tolist() == [Outcome.DUPLICATE]
    # The old value is a conflict now, and when it is back so is the one that replaced it.
    assert store.write(columns(1, [1], 2**63, 0)).tolist() == [Outcome.CONFLICT]
    old = conflict_ids(database_url)[-1]
    answer = admin.ResolveConflict(conflict_id=old, resolution=REPLACE, resolved_by="anna")
    assert answer.conflict.resolution == "replaced"
    assert events(database_url)[1] == value(0, -(2**63))
    assert files_of(database_url) == {(str(FILES[0].fuid), 1): (3, 1, 9000)}
    assert store.write(columns(1, [1], 6, 1)).tolist() == [Outcome.CONFLICT]
    assert conflict_ids(database_url) == [first, second]


def test_replace_takes_the_telescopes_record(admin, channel, database_url):
    """A replaced telescope event has the offered record, with its typed columns."""
    send_cosmic(channel, "7", cosmic_line(1))
    assert send_cosmic(channel, "7", cosmic_line(1, TriggerBits=9, Epoch=4)).conflicts == 1
    assert send_cosmic(channel, "7", cosmic_line(1, Epoch=5)).conflicts == 1
    number, other = conflict_ids(database_url)
    admin.ResolveConflict(conflict_id=number, resolution=REPLACE, resolved_by="anna")
    rows = query(database_url, "SELECT trigger_bits, epoch, canonical FROM cosmic_event")
    assert rows[0][:2] == (9, 4)
    assert json.loads(bytes(rows[0][2]))["TriggerBits"] == 9
    assert events(database_url, 5)[1][2] == 9
    compared = query(
        database_url,
        f"SELECT stored_record, stored_olt_result FROM event_conflict WHERE conflict_id = {other}",
    )
    assert (bytes(compared[0][0]), compared[0][1]) == (bytes(rows[0][2]), 9)
    assert send_cosmic(channel, "7", cosmic_line(1, TriggerBits=9, Epoch=4)).duplicates == 1


def test_replace_brings_nothing_into_a_closed_dataset(admin, store, database_url):
    """An offered value of a frozen dataset stays outside."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    admin.UpdateDataset(dsid_raw=2, state=FROZEN)
    (number,) = conflict_ids(database_url)
    code, text = refused(
        admin.ResolveConflict, conflict_id=number, resolution=REPLACE, resolved_by="anna"
    )
    assert (code.name, "dsid_raw=2" in text) == ("FAILED_PRECONDITION", True)
    assert events(database_url) == {1: value(0, 5)}


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"conflict_id": 1, "resolved_by": "a"}, "INVALID_ARGUMENT", "resolution=0"),
        ({"conflict_id": 1, "resolution": 7, "resolved_by": "a"}, "INVALID_ARGUMENT", "=7"),
        ({"conflict_id": 1, "resolution": KEEP}, "INVALID_ARGUMENT", "resolved_by=''"),
        ({"conflict_id": 4, "resolution": KEEP, "resolved_by": "a"}, "NOT_FOUND", "conflict 4"),
        ({"conflict_id": 4, "resolution": REPLACE, "resolved_by": "a"}, "NOT_FOUND", "conflict 4"),
        (
            {"conflict_id": 2**63, "resolution": KEEP, "resolved_by": "a"},
            "INVALID_ARGUMENT",
            "conflict_id=9223372036854775808",
        ),
    ],
)
def test_bad_resolution(admin, fields, code, text):
    """A decision that cannot be is refused with the field and the value."""
    got, details = refused(admin.ResolveConflict, **fields)
    assert (got.name, text in details) == (code, True), details


def test_criteria_are_set_replaced_and_listed(admin):
    """A bit has one name from each run on; the same run again replaces it."""
    for bit, run, name in ((63, 0, "calib"), (0, 9, "dimuon"), (0, 5, "x"), (0, 5, "muon")):
        answer = admin.SetCriterion(
            criterion=admin_pb2.Criterion(bit=bit, run_first=run, name=name)
        )
        assert answer.criterion.name == name
    found = [(c.bit, c.run_first, c.name) for c in admin.ListCriteria().criteria]
    assert found == [(0, 5, "muon"), (0, 9, "dimuon"), (63, 0, "calib")]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"bit": 64, "name": "x"}, "bit=64"),
        ({"bit": 1}, "name=''"),
        ({"bit": 1, "name": " x"}, "name=' x'"),
        ({"bit": 1, "name": "x", "run_first": 2**63}, "run_first=9223372036854775808"),
    ],
)
def test_bad_criterion(admin, fields, text):
    """A criterion that cannot be is refused with the field and the value."""
    code, details = refused(admin.SetCriterion, criterion=admin_pb2.Criterion(**fields))
    assert (code.name, text in details) == ("INVALID_ARGUMENT", True), details
    assert refused(admin.SetCriterion)[0].name == "INVALID_ARGUMENT"


def test_a_payload_as_large_as_a_message_can_be_read_and_replayed(admin, store, database_url):
    """A letter of 16 MiB comes back cut, with its true size, and is replayed whole."""
    text = json_event(1, 1)
    payload = text + " " * (MESSAGE_BYTES_MAX - len(text))
    store.add_dead_letters([letter(payload)])
    (number,) = letter_ids(database_url)
    row = admin.GetDeadLetter(dead_letter_id=number).dead_letter
    assert row.payload_bytes == MESSAGE_BYTES_MAX > len(row.payload) > MESSAGE_BYTES_MAX // 2
    assert admin.ReplayDeadLetter(dead_letter_id=number).outcome.inserted == 1


def letter(payload: str | bytes, topic: str = JSON_TOPIC, **changes) -> DeadLetter:
    data = payload.encode() if isinstance(payload, str) else payload
    fields = {"topic": topic, "reason": "malformed", "detail": "bad", "source": "daq"}
    return DeadLetter(payload=data, **fields | changes)


def letter_ids(url: str) -> list[int]:
    return [n for (n,) in query(url, "SELECT dead_letter_id FROM dead_letter ORDER BY 1 DESC")]


def test_dead_letters_are_listed_page_by_page(admin, store, database_url):
    """The newest first, without payloads, by reason and topic, stable while new ones come."""
    store.add_dead_letters([letter("x" * n, reason="out_of_range") for n in range(1, 8)])
    store.add_dead_letters([letter("y", topic="other")])
    page = admin.ListDeadLetters(page_size=3, reason="out_of_range", topic=JSON_TOPIC)
    sizes = [row.payload_bytes for row in page.dead_letters]
    assert not any(row.payload for row in page.dead_letters)
    while page.next_page_token:
        store.add_dead_letters([letter("new", reason="out_of_range")])
        page = admin.ListDeadLetters(
            page_size=3, reason="out_of_range", page_token=page.next_page_token
        )
        sizes += [row.payload_bytes for row in page.dead_letters]
    assert sizes == [7, 6, 5, 4, 3, 2, 1]
    assert [row.topic for row in admin.ListDeadLetters(topic="other").dead_letters] == ["other"]
    first = letter_ids(database_url)[-1]
    row = admin.GetDeadLetter(dead_letter_id=first).dead_letter
    assert (row.payload, row.payload_bytes, row.source, row.detail) == (b"x", 1, "daq", "bad")


def test_letters_with_long_texts_fit_into_messages(admin, store):
    """Pages end early where topics are long, and no letter is left out."""
    store.add_dead_letters([letter("x", topic="t" * 60_000, detail="d" * 60_000)] * 200)
    found, token = [], ""
    while True:
        page = admin.ListDeadLetters(page_size=10_000, page_token=token)
        found += [row.dead_letter_id for row in page.dead_letters]
        token = page.next_page_token
        if not token:
            break
    assert len(set(found)) == len(found) == 200


def test_replay_stores_what_was_refused_and_removes_the_letter(admin, store, database_url):
    """After the fix a replay goes through the pipeline by the topic's decoder."""
    store.write(columns(1, [1], 0, 0))
    store.add_dead_letters(
        [
            letter(f"[{json_event(1, 50)},{json_event(1, 51)}]"),
            letter(cosmic_line(3), topic="cosmic/7/event"),
        ]
    )
    cosmic, events_letter = letter_ids(database_url)
    outcome = admin.ReplayDeadLetter(dead_letter_id=events_letter).outcome
    assert (outcome.inserted, outcome.rejected) == (2, 0)
    assert admin.ReplayDeadLetter(dead_letter_id=cosmic).outcome.inserted == 1
    assert letter_ids(database_url) == []
    assert set(events(database_url)) == {1, 50, 51}
    assert query(database_url, "SELECT detector_id FROM cosmic_event") == [("7",)]


@pytest.mark.parametrize(
    ("payload", "topic", "text"),
    [
        ("{", JSON_TOPIC, "malformed"),
        (json_event(1, 2**63), JSON_TOPIC, "event_number"),
        (json_event(1, 2, dsid=1), JSON_TOPIC, "closed_dataset"),
        (json_event(1, 1), "nobody/knows", "bad_topic"),
    ],
)
def test_a_letter_that_is_refused_again_stays(admin, store, database_url, payload, topic, text):
    """The outcome of the replay says why; there is no second letter."""
    store.write(columns(1, [1], 0, 0))
    admin.UpdateDataset(dsid_raw=1, state=FROZEN)
    store.add_dead_letters([letter(payload, topic)])
    (number,) = letter_ids(database_url)
    outcome = admin.ReplayDeadLetter(dead_letter_id=number).outcome
    assert (outcome.rejected, text in outcome.rejections[0].reason) == (1, True), outcome
    assert letter_ids(database_url) == [number]


def test_cut_letters_cannot_be_replayed_and_all_can_be_discarded(admin, store, database_url):
    """A truncated letter is refused; a discarded one is gone for every call."""
    store.add_dead_letters([letter("{", truncated=True)])
    (number,) = letter_ids(database_url)
    code, text = refused(admin.ReplayDeadLetter, dead_letter_id=number)
    assert (code.name, "was cut" in text) == ("FAILED_PRECONDITION", True)
    admin.DiscardDeadLetter(dead_letter_id=number)
    for call in (admin.DiscardDeadLetter, admin.GetDeadLetter, admin.ReplayDeadLetter):
        code, text = refused(call, dead_letter_id=number)
        assert (code.name, f"dead letter {number}" in text) == ("NOT_FOUND", True)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"reason": "bored"}, "reason='bored'"),
        ({"page_size": 10_001}, "page_size=10001"),
        ({"page_token": "7"}, "page_token='7'"),
        ({"page_token": "letter-" + "9" * 19}, "page_token="),
        ({"page_token": "x" * 100_000}, "page_token="),
        ({"topic": "a\0"}, "topic="),
    ],
)
def test_bad_listing_of_letters(admin, fields, text):
    """A filter or a token that cannot be is refused with the field and the value."""
    code, details = refused(admin.ListDeadLetters, **fields)
    assert (code.name, text in details) == ("INVALID_ARGUMENT", True), details
    assert len(details) < 500


def planted(store) -> None:
    """Three runs: dense and sparse pages of several files."""
    for run in (1, 2, 3):
        store.write(columns(run, range(0, 3 * SLOTS_PER_PAGE, run), 1, 0))
        store.write(columns(run, range(10**9, 10**9 + 40), 1, [i % 5 for i in range(40)]))


def test_verify_is_clean_after_ingest(admin, store):
    """One message a run, ascending, with its events and no differences."""
    planted(store)
    runs = [(row.run_number, row.events, list(row.differences)) for row in admin.Verify()]
    assert runs == [(1, 24616, []), (2, 12328, []), (3, 8232, [])]
    assert [row.run_number for row in admin.Verify(run_first=2, run_last=2)] == [2]
    code, text = refused(admin.Verify, run_first=8, run_last=8)
    assert (code.name, "run 8" in text) == ("NOT_FOUND", True)
    assert list(admin.Verify(run_first=8)) == []
    for fields in ({"run_first": 3, "run_last": 2}, {"run_last": 2**63}):
        assert refused(admin.Verify, **fields)[0].name == "INVALID_ARGUMENT"


FILE_0 = f"fuid_raw = '{FILES[0].fuid}'"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE run SET n_events = 5 WHERE run_number = 2", ["run.n_events is 5"]),
        ("UPDATE run SET last_event = 5 WHERE run_number = 2", ["run.last_event is 5", "outside"]),
        ("UPDATE run SET generation = 0 WHERE run_number = 2", ["run.generation is 0"]),
        ("DELETE FROM run WHERE run_number = 2", ["no row in run"]),
        (f"DELETE FROM raw_file WHERE {FILE_0} AND run_number = 2", ["no row in raw_file"]),
        (
            f"UPDATE raw_file SET n_events = n_events + 1 WHERE {FILE_0} AND run_number = 2",
            ["raw_file.n_events is 12297"],
        ),
        (
            f"UPDATE raw_file SET first_event = 7 WHERE {FILE_0} AND run_number = 2",
            ["raw_file.first_event is 7, the pages say 0"],
        ),
        (
            f"INSERT INTO raw_file VALUES (2, '{uuid.UUID(int=1)}', 1, 3, 1, 2)",
            ["raw_file.n_events is 3, the pages hold none"],
        ),
        (
            "UPDATE event_page SET n_events = 4095 WHERE run_number = 2 AND page_no = 0",
            ["page 0: n_events is 4095, it holds 4096 events"],
        ),
        (
            "UPDATE event_page SET slots = slots[2:] || slots[1] WHERE run_number = 2 "
            "AND slots IS NOT NULL",
            ["its slots do not ascend"],
        ),
        (
            "UPDATE event_page SET fuids = fuids || fuids, dsids = dsids || dsids "
            "WHERE run_number = 2 AND page_no = 0",
            ["page 0: it cannot be read"],
        ),
        (
            "UPDATE event_page SET file_planes = '' WHERE run_number = 2 AND page_no = 0",
            ["page 0: it cannot be read"],
        ),
        (
            "UPDATE event_page SET fuids = ARRAY[NULL]::uuid[] WHERE run_number = 2 "
            "AND page_no = 0",
            ["page 0: its row cannot be read"],
        ),
        (
            "UPDATE event_page SET file_planes = set_bit(file_planes, 0, 0) "
            "WHERE run_number = 2 AND page_no = 1",
            ["page 1: n_events is 4096, it holds 4095 events", "run.n_events is 12328"],
        ),
        ("DELETE FROM event_page WHERE run_number = 2 AND page_no = 1", ["run.n_events is 12328"]),
        ("DELETE FROM dataset WHERE dsid_raw = 3", ["dataset 3 has no row"]),
    ],
)
def test_verify_finds_planted_differences(admin, store, database_url, change, expected):
    """Each kind of damage is named, in the run that has it, and the other runs are still told."""
    planted(store)
    execute(database_url, change)
    answers = {row.run_number: row for row in admin.Verify()}
    assert sorted(answers) == [1, 2, 3]
    text = "\n".join(answers[2].differences)
    for sentence in expected:
        assert sentence in text
    if "dataset" not in change:
        assert not answers[1].differences
        assert not answers[3].differences


def test_verify_while_events_come_in(admin, store, database_url):
    """A run that is written all the time is counted in one snapshot: no differences."""
    stop = threading.Event()

    def write() -> None:
        own, event = Store(database_url), 0
        while not stop.is_set():
            own.write(columns(1, [event, event + 10**6], 0, [event % 4, 0]))
            event += 1
        own.close()

    store.write(columns(1, range(2 * 10**7, 2 * 10**7 + 10**5), 0, 0))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        while len(counts) < 8 or counts[-1] == counts[0]:
            (row,) = admin.Verify()
            assert not row.differences
            counts.append(row.events)
    finally:
        stop.set()
        writer.join(60)


def test_verify_of_many_differences_is_bounded(admin, store, database_url):
    """A thousand sentences are told and the rest is counted."""
    files = [FILES[0]._replace(fuid=uuid.UUID(int=i + 1)) for i in range(1500)]
    store.write(columns(1, range(1500), 0, range(1500), files))
    execute(database_url, "UPDATE raw_file SET n_events = 2")
    (row,) = admin.Verify()
    assert (len(row.differences), row.differences[-1]) == (1001, "and 500 more differences")


def test_calls_outlive_lost_connections(admin, store, database_url):
    """A connection that broke while it was idle costs no call, repeatable or not."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    store.add_dead_letters([letter("{")])
    calls = (
        lambda: admin.UpdateDataset(dsid_raw=1, comment="x"),
        lambda: admin.ResolveConflict(conflict_id=1, resolution=KEEP, resolved_by="anna"),
        lambda: admin.DiscardDeadLetter(dead_letter_id=1),
    )
    for call in calls:
        for _ in range(3):
            admin.ListCriteria()
        query(
            database_url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name LIKE '%%admin' AND datname = current_database()",
        )
        call()
