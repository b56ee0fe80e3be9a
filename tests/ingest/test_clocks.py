"""The clocks of telescopes: an epoch for each detector, and times that cannot be."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from ingest_service.decode.clocks import Clocks
from ingest_service.decode.cosmic import decode_records
from service_kit.epochs import parse_epochs
from tests.conftest import query
from tests.support.ingest import Publisher, Topics
from tests.support.processes import Service, wait_until

DAY = 86_400
# 2026-01-01, and the first days of two epochs, Unix time.
NOW, Y2000 = 1_767_225_600, 946_684_800
CLOCKS = Clocks(date(2000, 1, 1), {"7": date(1970, 1, 1)}, now=lambda: NOW)


@pytest.mark.parametrize(
    ("detector", "timestamp", "expected"),
    [
        ("1", NOW - Y2000, (NOW, "")),
        ("7", NOW, (NOW, "")),
        ("1", NOW - Y2000 + DAY, (NOW + DAY, "")),
        ("1", NOW - Y2000 + DAY + 1, (NOW + DAY + 1, "ahead")),
        ("1", NOW, (NOW + Y2000, "ahead")),
        ("1", 0, (Y2000, "never_set")),
        ("1", DAY - 1, (Y2000 + DAY - 1, "never_set")),
        ("1", DAY, (Y2000 + DAY, "")),
        ("7", 12, (12, "never_set")),
        ("7", Y2000, (Y2000, "")),
        ("1", -1, (Y2000 - 1, "")),
    ],
)
def test_a_time_and_what_is_doubtful_about_it(detector, timestamp, expected):
    """Each detector counts from its epoch; a day ahead, or the epoch's first day, is doubted."""
    assert CLOCKS.read(detector, timestamp) == expected


def test_a_record_takes_the_epoch_of_its_own_detector():
    """In a batch of several detectors each record is read by its own clock; none has none."""
    records = [
        {"RunNumber": 1, "EventNumber": 1, "DetectorId": 7, "Timestamp": NOW},
        {"RunNumber": 1, "EventNumber": 2, "DetectorId": "8", "Timestamp": NOW},
        {"RunNumber": 1, "EventNumber": 3, "DetectorId": 7},
    ]
    decoded = decode_records([json.dumps(record).encode() for record in records], "", CLOCKS)
    found = [(r.unix_seconds, r.clock_problem) for r in decoded.cosmic.values()]
    assert found == [(NOW, ""), (NOW + Y2000, "ahead"), (None, "")]


def test_epochs_of_detectors():
    """Detectors with their days, spaces around them or not; none by default."""
    assert parse_epochs("7=1970-01-01, roof-2 = 2000-01-01,") == {
        "7": date(1970, 1, 1),
        "roof-2": date(2000, 1, 1),
    }
    assert parse_epochs("") == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("7", "EVENTINDEX_COSMIC_EPOCHS has '7': '' cannot be a detector id"),
        ("=1970-01-01", "'' cannot be a detector id"),
        ("a/b=1970-01-01", "'a/b' cannot be a detector id"),
        ("7=1970", "has '7=1970': '1970' is not a day such as 1970-01-01"),
        ("7=1970-02-30", "'1970-02-30' is not a day"),
        ("7=1970-01-01,7=2000-01-01", "detector '7' is there twice"),
    ],
)
def test_epochs_that_cannot_be(text, named):
    """A wrong entry is refused with its text and what is wrong about it."""
    with pytest.raises(ValueError, match=re.escape(named)):
        parse_epochs(text)


def test_doubtful_times_are_stored_flagged_and_counted(database_url, mosquitto, request):
    """A record whose clock was never set or runs ahead is in the index, and says so."""
    topics = Topics()
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=mosquitto.url,
        cosmic_epochs="7=1970-01-01",
        **topics.settings,
    )
    request.addfinalizer(service.close)
    service.start()
    publisher = Publisher(mosquitto.port)
    request.addfinalizer(publisher.close)
    records = [
        json.dumps({"RunNumber": 1, "EventNumber": number, "Timestamp": timestamp})
        for number, timestamp in enumerate((NOW - Y2000, 60, NOW * 2))
    ]
    publisher.publish(topics.cosmic("0"), "\n".join(records))
    publisher.publish(
        topics.cosmic("7"), '{"RunNumber": 2, "EventNumber": 1, "Timestamp": 1600000000}'
    )
    sql = (
        "SELECT run_number, event_number, extract(epoch FROM event_time)::bigint, clock_problem "
        "FROM cosmic_event ORDER BY 1, 2"
    )
    wait_until(lambda: len(query(database_url, sql)) == 4, what="four records")
    assert query(database_url, sql) == [
        (1, 0, NOW, ""),
        (1, 1, Y2000 + 60, "never_set"),
        (1, 2, NOW * 2 + Y2000, "ahead"),
        (2, 1, 1_600_000_000, ""),
    ]
    problems = "eventindex_ingest_clock_problem_events_total"
    for name in ("ahead", "never_set"):
        assert service.metric(f'{problems}{{problem="{name}"}}') == 1
