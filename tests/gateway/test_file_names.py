"""Names and addresses of files over REST and on the page, where they are asked for."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import eventindex
from eventindex import FileInfo
from tests.support.browser import chromium, reader, serious_violations
from tests.support.gateway import FILES, Stack, database, full_stack

API = "/api/v1"
TEXT = {"Content-Type": "text/plain"}
NAME = 'run1/a, "b" 1.root'
URL = f"root://eos.example//store/{NAME}"
KNOWN = {"name": NAME, "bytes": 2**40, "checksum": "adler32:0a1b2c3d", "url": URL}
NOTHING = dict.fromkeys(KNOWN)


@pytest.fixture(scope="module")
def stack(postgres, _template):
    """All services with the sample events, one file of which has a name."""
    address = "root://eos.example//store/{name}"
    with database(postgres, _template) as url, full_stack(url, file_url=address) as running:
        with eventindex.connect(
            running.index.address, ingest_address=running.ingest.address
        ) as client:
            list(client.note_files([FileInfo(FILES[0], NAME, 2**40, "adler32:0a1b2c3d")]))
        yield running


def test_answers_to_a_list_have_names_where_they_are_asked_for(stack: Stack):
    """JSON and CSV tell name, size, checksum and address; without asking they are as before."""
    body, asked = "1 5\n2 15\n3 999\n", {"with_file_names": True}
    post = stack.http.post
    answers = post(f"{API}/lookup", content=body, headers=TEXT, params=asked).json()["answers"]
    assert [{key: answer[key] for key in KNOWN} for answer in answers] == [KNOWN, NOTHING, NOTHING]
    text = post(f"{API}/lookup", content=body, headers=TEXT, params=asked | {"format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["name"], row["bytes"], row["url"]) for row in rows] == [
        (NAME, str(2**40), URL),
        ("", "", ""),
        ("", "", ""),
    ]
    (plain, *_) = post(f"{API}/lookup", content=body, headers=TEXT).json()["answers"]
    assert "name" not in plain


def test_events_name_their_files_where_they_are_asked_for(stack: Stack):
    """One event and lists of events, as JSON lines and CSV, tell what is noted of their files."""
    get, asked = stack.http.get, {"with_file_names": True}
    one = get(f"{API}/events/1/5", params=asked).json()
    assert {key: one[key] for key in KNOWN} == KNOWN
    assert get(f"{API}/events/1/5").json()["url"] is None

    def is_asked(event: dict[str, Any]) -> bool:
        return (int(event["run_number"]), int(event["event_number"])) == (1, 5)

    told = {"file_name": NAME, "file_bytes": 2**40, "file_checksum": "adler32:0a1b2c3d"}
    for path, selection in (("/events", {"run": 1}), (f"/files/{FILES[0]}/events", {})):
        lines = get(f"{API}{path}", params=selection | asked).text.splitlines()
        (event,) = [each for each in map(json.loads, lines) if is_asked(each)]
        assert {key: event[key] for key in told} == told
        text = get(f"{API}{path}", params=selection | asked | {"format": "csv"}).text
        (row,) = [each for each in csv.DictReader(io.StringIO(text)) if is_asked(each)]
        assert {key: row[key] for key in told} == {key: str(value) for key, value in told.items()}
        assert "file_name" not in get(f"{API}{path}", params=selection).text
    assert get(f"{API}/events/1/5", params={"names": True}).status_code == 400


def test_files_are_listed_and_found_by_their_names(stack: Stack):
    """A list of files has names where asked for, and takes a pattern of them."""
    get = stack.http.get
    files = get(f"{API}/files", params={"name": "run1/*.root", "with_file_names": True}).json()
    assert {row["fuid_raw"] for row in files["files"]} == {FILES[0]}
    assert all(row[key] == KNOWN[key] for row in files["files"] for key in KNOWN)
    assert get(f"{API}/files", params={"name": "run1"}).json()["files"] == []
    asked = get(f"{API}/files/{FILES[0]}", params={"with_file_names": True}).json()["runs"][0]
    assert asked["url"] == URL
    assert get(f"{API}/files/{FILES[0]}").json()["runs"][0]["url"] is None


def test_one_file_is_asked_for_by_its_whole_name(stack: Stack):
    """The name as it was noted finds the file; a part or a pattern of it is no file's name."""
    asked = {"name": NAME, "with_file_names": True}
    found = stack.http.get(f"{API}/files/by-name", params=asked).json()
    assert (found["fuid_raw"], found["runs"][0]["name"]) == (FILES[0], NAME)
    for name, status in (("run1/*", 404), ("", 400)):
        answer = stack.http.get(f"{API}/files/by-name", params={"name": name})
        assert answer.status_code == status
    assert "name" in answer.json()["detail"]


@pytest.mark.slow
def test_the_page_shows_names_and_addresses(stack: Stack):
    """Who ticks names sees where each file is and copies the addresses; a file's page has them."""
    base = f"http://{stack.gateway.address}"
    clipboard = ["clipboard-read", "clipboard-write"]
    size = {"width": 1280, "height": 900}
    with chromium() as browser, reader(browser, base, viewport=size, permissions=clipboard) as page:
        page.goto("/")
        page.get_by_label("Run and event numbers").fill("1 5\n2 15\n3 999\n")
        page.get_by_label("Names and addresses of the files").check()
        page.get_by_role("button", name="Look up").click()
        expect(page.get_by_role("row").filter(has_text=FILES[0])).to_contain_text(URL)
        page.get_by_role("button", name="Copy the addresses").click()
        assert page.evaluate("navigator.clipboard.readText()") == URL
        assert serious_violations(page) == []
        _look(page, "lookup")
        page.goto(f"/files/{FILES[0]}")
        for text in (NAME, URL, "adler32:0a1b2c3d", "1,099,511,627,776"):
            expect(page.locator("#file")).to_contain_text(text)
        _look(page, "file")
        page.goto("/datasets/7")
        expect(page.get_by_role("row").filter(has_text=FILES[0]).first).to_contain_text(URL)
        _look(page, "dataset")


def _look(page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    directory = os.environ.get("EVENTINDEX_TEST_PICTURES")
    if directory:
        page.screenshot(path=Path(directory) / f"names-{name}.png", full_page=True)
