"""docs/administration.md and docs/sending-events.md: the calls they show run, by reflection."""

from __future__ import annotations

import grpc
import pytest

from event_store.model import DeadLetter
from event_store.write.writer import Store
from eventindex.v1 import admin_pb2, ingest_pb2
from ingest_service.admin.tokens import create_without_service
from tests.conftest import execute
from tests.support.admin import FILES, columns
from tests.support.docs_calls import Reflected, shown_calls
from tests.support.ingest import json_event

ADMIN = shown_calls("administration.md")
SENDING = shown_calls("sending-events.md")
JSON_TOPIC = "eventindex/v1/json/daq"


@pytest.fixture
def service(ingest_address, database_url):
    request = admin_pb2.CreateTokenRequest(subject="x", scopes=["admin"], lifetime_seconds=60)
    token = create_without_service(database_url, request).secret
    with grpc.insecure_channel(ingest_address) as channel:
        yield Reflected(channel, "AdminService", "IngestService", token=token)


@pytest.fixture
def stored(database_url):
    """What the calls name: dataset 4, conflicts 17 and 18, dead letters 12 and 13, run 100."""
    execute(database_url, "ALTER TABLE event_conflict ALTER conflict_id RESTART WITH 17")
    execute(database_url, "ALTER TABLE dead_letter ALTER dead_letter_id RESTART WITH 12")
    store = Store(database_url)
    store.write(columns(100, [1, 2, 3], 0, [0, 1, 2], [*FILES[:2], FILES[2]._replace(dsid=4)]))
    for event in (1, 2):
        store.write(columns(100, [event], 6, 3))
    for event in (7, 8):
        good = json_event(100, event, dsid=1).encode()
        store.add_dead_letters(
            [DeadLetter(JSON_TOPIC, good, "out_of_range", "for the test", "mqtt:daq")]
        )
    store.close()


@pytest.mark.usefixtures("statements")
def test_every_call_of_administration_is_answered(service, stored):
    """The calls run in the order of the page, each on what the ones before left."""
    for name, text in ADMIN:
        answers = service.answers(name, text)
        assert answers, (name, text)
        may_be_empty = not service.methods[name].output_type.fields
        assert all(answer.ByteSize() or may_be_empty for answer in answers), (name, text)


@pytest.mark.usefixtures("statements")
def test_every_call_of_sending_is_acknowledged(service):
    """The events and the record that the page sends are stored: one acknowledgement a batch."""
    for name, text in SENDING:
        for answer in service.answers(name, text):
            assert (answer.inserted > 0, answer.rejected) == (True, 0), (name, text, answer)


def test_every_method_is_shown():
    """The pages show a call of each method."""
    admin = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
    ingest = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"]
    assert {name for name, _ in ADMIN} == {m.name for m in admin.methods}
    assert {name for name, _ in SENDING} == {m.name for m in ingest.methods}
