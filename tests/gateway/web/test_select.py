"""The start page, the page that selects events, jobs, and addresses that can be shared."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.processes import wait_until
from tests.support.web_lists import NUMBER, saved


def test_the_start_page_says_what_there_is(page):
    """A newcomer learns what this is and what it holds, and one press gives an answer."""
    page.goto("/")
    expect(page.locator("main")).to_contain_text("in which RAW file each event of each run is")
    facts = page.locator("#contents")
    expect(facts.locator("dd").first).to_have_text(NUMBER)
    expect(facts).to_contain_text("An event takes")
    expect(page.locator("#latest").get_by_role("row").nth(1)).to_be_visible()
    page.locator("#examples a").click()
    expect(page.locator("#results h2")).to_contain_text("found")
    expect(page.locator("#latest_section")).to_be_hidden()


def test_events_are_selected_by_criteria(page):
    """Counts come first, a condition is a choice in the table, and the list has what is left."""
    page.goto("/select")
    page.get_by_label("Runs", exact=True).fill("1-2")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("#counts dd").first).to_have_text("60")
    page.get_by_label("Condition: 0", exact=True).select_option("required")
    expect(page.locator("#counts dd").first).to_have_text("30")
    page.get_by_label("Condition: 1", exact=True).select_option("excluded")
    expect(page.locator("#counts dd").first).to_have_text("16")
    assert page.url.endswith("/select?runs=1-2&all=0&none=1")
    page.reload()
    expect(page.locator("#counts dd").first).to_have_text("16")
    page.get_by_role("button", name="List the first 100").click()
    expect(page.locator("#events").get_by_role("row")).to_have_count(17)
    name, text = saved(page, page.get_by_role("link", name="Events (CSV)"))
    assert (name, len(text.splitlines())) == ("events.csv", 17)
    page.get_by_label("Detector").fill("0")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("#counts")).to_contain_text("No event meets all of this.")


def test_a_list_is_looked_up_in_the_background(page):
    """A job is sent, seen to be done, its answers fetched, and it is taken away again."""
    page.goto("/jobs")
    expect(page.locator("#jobs")).to_contain_text("This browser has sent no jobs.")
    list_file = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"1 15\n1 999999\n"}
    page.get_by_label("List").set_input_files(list_file)
    page.get_by_role("button", name="Look it up").click()
    expect(page.locator("#jobs")).to_contain_text("done")
    page.reload()
    name, text = saved(page, page.get_by_role("link", name="CSV"))
    assert re.fullmatch(r"job-[0-9a-f-]{36}\.csv", name)
    assert len(text.splitlines()) == 3
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#jobs")).to_contain_text("This browser has sent no jobs.")


def test_filters_are_in_the_address(page):
    """What is shown can be shared and is there after a reload."""
    page.goto("/runs")
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("3")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="Events", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_contain_text("Events")
    assert page.url.endswith("/runs?run_first=2&run_last=3&order_by=events+desc")
    page.reload()
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.locator("th[aria-sort]")).to_contain_text("Events")


def test_an_address_without_a_page_is_a_page(page):
    """Whoever mistypes an address in a browser gets a page with a way on; programs a problem."""
    for address in ("/nosuch", "/runs/abc"):
        assert page.goto(address).status == 404
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
        expect(page.locator("main code")).to_have_text(address)
    assert page.request.get("/nosuch").json()["type"] == "urn:eventindex:problem:not-found"


def test_dead_letters_are_discarded_by_the_filter(page, publisher, stack):
    """All that the filter finds are counted, confirmed and gone; others stay."""
    topic = stack.topics.json.replace("/x", "/many")
    publisher.publish(topic, *(f"nonsense {number}" for number in range(3)))
    publisher.flush()
    page.goto(f"/dead-letters?topic={topic}")
    wait_until(lambda: page.reload() and page.get_by_text("3 rows").count(), what="three letters")
    page.get_by_role("button", name="Discard all of these").click()
    expect(page.get_by_role("dialog")).to_contain_text("Discard 3 dead letters for good?")
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#outcome")).to_have_text("Done: 3 of 3.")
    expect(page.locator("#letters")).to_contain_text("There are no dead letters.")
