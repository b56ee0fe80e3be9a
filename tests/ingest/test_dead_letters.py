"""Dead letters are listed, read, replayed and discarded."""

from __future__ import annotations

import pytest

from service_kit.settings import MESSAGE_BYTES_MAX
from tests.conftest import query
from tests.support.admin import columns
from tests.support.admin_calls import FROZEN, JSON_TOPIC, cosmic_line, events, letter, refused
from tests.support.ingest import json_event


def test_a_payload_as_large_as_a_message_can_be_read_and_replayed(admin, store, database_url):
    """A letter of 16 MiB comes back cut, with its true size, and is replayed whole."""
    text = json_event(1, 1)
    payload = text + " " * (MESSAGE_BYTES_MAX - len(text))
    store.add_dead_letters([letter(payload)])
    (number,) = letter_ids(database_url)
    row = admin.GetDeadLetter(dead_letter_id=number).dead_letter
    assert row.payload_bytes == MESSAGE_BYTES_MAX > len(row.payload) > MESSAGE_BYTES_MAX // 2
    assert admin.ReplayDeadLetter(dead_letter_id=number).outcome.inserted == 1


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
def test_bad_listing_of_letters(refusing, fields, text):
    """A filter or a token that cannot be is refused with the field and the value."""
    code, details = refused(refusing[0].ListDeadLetters, **fields)
    assert (code.name, text in details) == ("INVALID_ARGUMENT", True), details
    assert len(details) < 500
