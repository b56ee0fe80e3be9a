"""Collections in Chromium: the selector that remembers, the heat map, relations of a file."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from playwright.sync_api import expect

import eventindex
from eventindex.columns import EventColumns
from eventindex.results import RawFile
from tests.support.web_lists import paste

RUN = 9001


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


@pytest.fixture(scope="module")
def made(stack):
    """Two collections with a run of their own, one made from the other."""
    with eventindex.connect(stack.index.address, ingest_address=stack.ingest.address) as client:
        client.create_collection("web.a")
        client.create_collection("web.b", made_from="web.a")
        for name, numbers, number in (("web.a", range(100), 900), ("web.b", range(0, 120, 4), 901)):
            batch = EventColumns(
                [RawFile(fuid(number), number)], RUN, list(numbers), [1] * len(numbers),
                collection=name,
            )  # fmt: skip
            assert sum(ack.inserted for ack in client.ingest([batch])) == len(numbers)


def test_lists_are_of_the_collection_that_is_chosen(page, made):
    """The header's choice holds for lists and lookups, on the next page and after a reload."""
    page.goto("/runs")
    selector = page.get_by_label("Collection", exact=True)
    expect(selector).to_have_value("")
    expect(selector.get_by_role("option", name="Telescope 0")).to_have_count(1)
    selector.select_option("web.a")
    expect(page.locator("#runs").get_by_role("link", name=str(RUN))).to_be_visible()
    expect(page.locator("#runs").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Datasets").click()
    expect(page.get_by_label("Collection", exact=True)).to_have_value("web.a")
    expect(page.locator("#datasets").get_by_role("row")).to_have_count(2)
    page.goto("/")
    paste(page, f"{RUN} 5")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="1 event found")).to_be_visible()
    page.get_by_label("Collection", exact=True).select_option("")
    page.goto("/runs")
    expect(page.locator("#runs").get_by_role("link", name="2", exact=True)).to_be_visible()


def test_the_selector_is_hidden_while_there_is_raw_alone(page):
    """Whoever has RAW data only sees neither the selector nor the page of collections."""
    raw = {
        "name": "raw", "made_from": "", "state": "open", "comment": "", "created": None,
        "events": 1, "runs": 1, "detector_id": "",
    }  # fmt: skip
    body = json.dumps({"collections": [raw]})
    page.route("**/api/v1/collections", lambda route: route.fulfill(body=body))
    page.add_init_script("localStorage.setItem('eventindex-collection', 'gone')")
    page.goto("/runs")
    expect(page.locator("#runs").get_by_role("link", name="2", exact=True)).to_be_visible()
    expect(page.locator("#collection")).to_be_hidden()
    expect(page.get_by_role("link", name="Collections")).to_have_count(0)


def test_collections_are_compared_and_files_are_followed(page, made):
    """The heat map shows events in both; a file's page links to what it was made from."""
    page.goto("/runs")
    page.get_by_role("link", name="Collections").click()
    heat = page.get_by_role("table", name="Events in common")
    expect(heat).to_be_visible()
    for other in page.get_by_label(re.compile(r"^Compare (?!web\.)")).all():
        other.uncheck()
    expect(heat.locator("td")).to_have_text(["100", "25", "25", "30"])
    page.get_by_label("From run").fill(str(RUN + 1))
    page.get_by_role("button", name="Filter").click()
    expect(heat.locator("td")).to_have_text(["0", "0", "0", "0"])
    page.goto(f"/files/{fuid(901)}")
    parents = page.get_by_role("table", name="Made from these files")
    expect(parents.get_by_role("row")).to_have_count(2)
    expect(parents).to_contain_text("25")
    parents.get_by_role("link", name=fuid(900)).click()
    expect(page.get_by_role("table", name="Files made from it")).to_contain_text(fuid(901))
