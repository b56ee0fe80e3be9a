"""What the web page asks beyond the lists: gaps, the live stream, conflicts decided; its texts."""

from __future__ import annotations

import json
import re

import httpx
import pytest

import eventindex
from rest_gateway.calls.live import intake_of
from rest_gateway.web import page_texts
from tests.conftest import query
from tests.support.gateway import RUN_MAX, Stack, gateway
from tests.support.ports import free_port

API = "/api/v1"
COUNTS = {"received": 95, "inserted": 94, "duplicate": 0, "conflict": 1, "rejected": 0}
PLURALS = {
    "en": {"one", "other"},
    "pt": {"one", "many", "other"},
    "ru": {"one", "few", "many", "other"},
}


def test_gaps_of_a_run_over_http(stack: Stack):
    """A run without gaps, one of the largest numbers, and one that is not there."""
    full = stack.http.get(f"{API}/runs/2/gaps").json()
    assert (full["missing"], full["gaps"], full["widest"], full["events"]) == (0, 0, [], 30)
    one = stack.http.get(f"{API}/runs/{RUN_MAX}/gaps").json()
    assert one["bins"] == [{"event_first": RUN_MAX, "event_last": RUN_MAX, "events": 1}]
    assert stack.http.get(f"{API}/runs/999/gaps").status_code == 404


def test_the_live_stream_counts_what_came(stack: Stack):
    """Each event is a JSON object with counts, the runs that got events last, and their last."""
    with stack.http.stream("GET", f"{API}/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        now = next_object(answer)
    assert now["intake"]["events"] == COUNTS
    assert {run["run_number"] for run in now["runs"]} == {1, 2, 3, 12345, RUN_MAX}
    last = {event["run_number"]: event for event in now["last_events"]}
    assert (last[2]["event_number"], last[2]["olt_result"]) == (29, 29)


def next_object(answer: httpx.Response) -> dict:
    """The next object of a stream."""
    data = next(line for line in answer.iter_lines() if line.startswith("data:"))
    return json.loads(data.removeprefix("data:"))


def test_what_came_in_is_counted_by_door(stack: Stack):
    """Events by outcome, messages by payload format; as many as were stored, and none over MQTT."""
    with eventindex.connect(stack.index.address, ingest_address=stack.ingest.address) as client:
        doors = {door.door: door for door in client.ingest_status()}
    intake = intake_of(list(doors.values()))
    assert intake.events == COUNTS
    assert (intake.pending, intake.rejected) == (0, {})
    assert intake.messages == doors["grpc"].messages_by_kind == {"batch": 5, "cosmic": 1}
    assert doors["mqtt"].received == 0


def test_live_without_ingest_shows_the_index(stack: Stack):
    """Where ingest does not answer the counts are null, and the runs come all the same."""
    with (
        gateway(stack.url, stack.index.address, f"127.0.0.1:{free_port()}") as (_, http),
        http.stream("GET", f"{API}/live") as answer,
    ):
        now = next_object(answer)
    assert now["intake"] is None
    assert now["runs"]


def test_a_conflict_is_decided_once(stack: Stack):
    """The decision is stored with its maker, a second one is refused, and so is nonsense."""
    conflict = stack.http.get(f"{API}/conflicts").json()["conflicts"][0]
    address = f"{API}/conflicts/{conflict['conflict_id']}/resolve"
    body = {"resolution": "keep", "resolved_by": "a shifter"}
    assert stack.http.post(address, json={**body, "resolution": "both"}).status_code == 400
    assert stack.http.post(address, content=json.dumps(body)).status_code == 403
    decided = stack.http.post(address, json=body).json()
    assert (decided["resolution"], decided["resolved_by"]) == ("kept", "a shifter")
    assert query(stack.url, "SELECT resolved_by FROM event_conflict") == [("a shifter",)]
    assert stack.http.post(address, json=body).status_code in {400, 409}
    assert stack.http.post(f"{API}/conflicts/999999/resolve", json=body).status_code == 404


def test_pages_are_not_for_nonsense(stack: Stack):
    """An address that names no run, dataset or file is a problem, not a page."""
    for address in ("/runs/-1", f"/runs/{2**63}", "/datasets/x", "/files/1", "/nothing"):
        assert stack.http.get(address).status_code in {400, 404}, address
    page = stack.http.get("/runs/7", headers={"Accept-Language": "xx, ru;q=0.5, pt;q=0.8"})
    assert '<html lang="pt-BR"' in page.text
    chosen = stack.http.get("/", headers={"Cookie": "lang=ru; theme=<"})
    assert '<html lang="ru" data-theme="auto" ' in chosen.text


def test_every_text_is_there_in_every_language():
    """The catalogues have the same keys, placeholders and the plurals that their language has."""
    texts = {
        language: {
            # English sentences of the services are as they send them.
            key: text
            for key, text in page_texts.catalogue(language).items()
            if not key.startswith("told.")
        }
        for language in page_texts.LANGUAGES
    }
    for language, found in texts.items():
        assert found.keys() == texts["en"].keys()
        for key, text in found.items():
            english = texts["en"][key]
            assert isinstance(text, dict) == isinstance(english, dict), key
            forms = text if isinstance(text, dict) else {"": text}
            if isinstance(text, dict):
                assert text.keys() == PLURALS[language], key
            # "One" may be said in words.
            for form in forms.values():
                assert placeholders(form) ^ placeholders(english) <= {"n"}, (language, key)


def placeholders(text: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


@pytest.mark.parametrize(
    ("cookie", "header", "expected"),
    [
        (None, "", "en"),
        ("ru", "pt", "ru"),
        ("xx", "pt-BR,en;q=0.8", "pt"),
        (None, "de, ru;q=0.3, en;q=0.2", "ru"),
        (None, "ru;q=0, fr", "en"),
        (None, "ru;q=x;;,,=", "en"),
    ],
)
def test_the_language_is_the_readers(cookie, header, expected):
    """What was chosen, else what the browser likes best, else English."""
    assert page_texts.choose(cookie, header) == expected
