"""The web page in Chromium, used as people use it, over real services."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import (
    reader,
)
from tests.support.gateway import DUMP
from tests.support.ingest import FUID, json_event
from tests.support.processes import wait_until
from tests.support.web_lists import NUMBER, paste, row, saved

WORDS = Path(__file__).parents[3] / "rest_gateway" / "web" / "texts"


def test_runs_are_sorted_filtered_and_opened(page):
    """From the list of runs to a run: its files, trigger counts, overlaps and gaps."""
    page.goto("/runs")
    expect(page.get_by_role("row")).not_to_have_count(1)
    page.get_by_role("button", name="Run", exact=True).click()
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("1")
    expect(page.get_by_role("columnheader", name="Run", exact=True)).to_have_attribute(
        "aria-sort", "ascending"
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(first).to_contain_text(str(2**63 - 1))
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("3")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="2", exact=True).click()
    expect(page.get_by_role("heading", name="Run 2")).to_be_visible()
    expect(page.locator("#files").get_by_role("row")).to_have_count(4)
    triggers = page.locator("#triggers").get_by_role("row")
    # Events 0 to 29 have their own number as mask: 15 are odd.
    expect(triggers.nth(1)).to_contain_text("15")
    expect(triggers.nth(1)).to_contain_text("50%")
    expect(page.locator("#overlaps td").first).to_have_text("15")
    expect(page.locator("#gaps")).to_contain_text("No event number is missing.")
    name, text = saved(page, page.get_by_role("link", name="Download the events (CSV)"))
    assert (name, len(text.splitlines())) == ("run-2.csv", 31)


def test_what_was_asked_last_is_shown(page):
    """An answer that comes late does not take the place of what was asked for after it."""
    held: list[Route] = []
    hold_first = "**/api/v1/runs?*"
    page.route(hold_first, lambda route: route.continue_() if held else held.append(route))
    page.goto("/runs")
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("2")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    with page.expect_response(hold_first) as late:
        held[0].continue_()
    late.value.finished()
    page.evaluate("fetch('/api/v1/runs').then((answer) => answer.text())")
    expect(page.get_by_role("row")).to_have_count(2)


def test_a_reversed_range_of_runs_is_not_sent(page):
    """The field says what is wrong; what is shown stays until there is an answer to show."""
    page.goto("/runs")
    expect(page.locator("#chart canvas")).to_be_visible()
    page.get_by_label("From run").fill("3")
    page.get_by_label("To run").fill("2")
    with_message = "field => field.validationMessage"
    assert page.get_by_label("To run").evaluate(with_message) == (
        "The last run, 2, is below the first, 3."
    )
    page.get_by_label("From run").fill("2")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_label("To run").fill(str(2**63))
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text(str(2**63))
    expect(page.locator("#chart")).to_be_hidden()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


DRAWN = """window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  window.drawn.push(text);
  draw.call(this, text, ...place);
};"""


def test_charts_say_what_they_count(page):
    """Runs stand under their numbers; hours under their day, in UTC."""
    page.add_init_script(DRAWN)
    page.goto("/runs?run_first=2&run_last=3")
    expect(page.get_by_role("row")).to_have_count(3)
    wait_until(lambda: page.evaluate("['2', '3'].every((each) => window.drawn.includes(each))"))
    page.goto("/cosmic?detector=0")
    wait_until(lambda: page.evaluate("window.drawn.includes('2019-09-19 UTC')"), what="the day")


def test_what_is_not_there_is_said_once(page):
    """A run and a dataset that the index does not have: one sentence, no empty sections."""
    for address in ("/runs/424242", "/datasets/424242"):
        page.goto(address)
        expect(page.get_by_role("alert")).to_have_count(1)
        expect(page.get_by_role("alert")).to_contain_text("424242")
        expect(page.locator("main section:visible")).to_have_count(0)


def test_gaps_of_a_run_are_named(page, publisher, stack):
    """How many event numbers are missing, and where the widest gaps are."""
    publisher.publish(stack.topics.json, *(json_event(70, event) for event in (1, 2, 10, 12)))
    publisher.flush()
    page.goto("/runs/70")
    wait_until(lambda: page.reload() and page.locator("#gaps table").count(), what="run 70")
    expect(page.locator("#gaps")).to_contain_text("8 event numbers are missing in 2 gaps")
    expect(page.locator("#gaps").get_by_role("row").nth(1)).to_have_text("397")


def test_the_live_page_moves(page, publisher, stack):
    """Counts, rate, last events and reasons change while events are published."""
    page.goto("/live")
    received = page.locator("#count_received")
    expect(received).to_have_text(NUMBER)
    before = int(received.inner_text().replace(",", ""))
    publisher.publish(stack.topics.json, *(json_event(71, event) for event in range(1, 201)))
    publisher.publish(stack.topics.json, json_event(-1, 1))
    expect(received).to_have_text(f"{before + 201:,}")
    expect(row(page, "71")).to_contain_text(FUID)
    expect(page.locator("#reasons")).to_contain_text("out of range")
    expect(page.locator("#rate")).to_have_text(NUMBER)
    expect(page.locator("#chart canvas")).to_be_visible()


def test_telescope_records_are_shown_as_they_came(page):
    """A detector's events with time, TDC values and bits, and the line that it sent."""
    page.goto("/cosmic?detector=0")
    events = page.locator("#events")
    expect(events.get_by_role("row")).to_have_count(4)
    expect(events).to_contain_text("3 events of 3")
    expect(events.get_by_role("row").nth(1)).to_contain_text("0, 1, 2, 6")
    expect(page.locator("#tdc canvas")).to_be_visible()
    events.get_by_text("Record (repaired)").first.click()
    events.get_by_role("button", name="Copy as it came").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    # The firmware's line opens with a bracket, which is repaired and said so.
    assert copied == "{" + DUMP.read_text().splitlines()[0].strip()[1:]


def test_telescope_records_without_some_fields_are_shown(page, publisher, stack):
    """A record without block, time, bits or values stands beside one that has them."""
    full = {"CosmicBlock": 1, "Timestamp": 622234535, "TriggerBits": 5, "TDC": {"0": {"Data": 5}}}
    records = [{"RunNumber": 5000, "EventNumber": n} | more for n, more in enumerate([full, {}])]
    publisher.publish(stack.topics.cosmic("30"), *map(json.dumps, records))
    publisher.flush()
    stored = "/api/v1/cosmic/counts?detector=30"
    wait_until(lambda: page.request.get(stored).json().get("total") == 2, what="both records")
    page.goto("/cosmic?detector=30")
    events = page.locator("#events")
    expect(events).to_contain_text("2 events of 2")
    expect(events.get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "pt", "ru"])
def test_each_failure_has_words_of_its_own(browser, stack, language):
    """A failure, an absence and a silence of the index read differently, in each language."""
    said = {}
    with reader(browser, stack.url, locale=language) as page:
        for status in (502, 503, 504):
            page.unroute_all()
            page.route("**/api/v1/runs*", lambda route, _, code=status: route.fulfill(status=code))
            page.goto("/runs")
            said[status] = page.get_by_role("alert").locator("p").first.inner_text()
    texts = json.loads((WORDS / f"{language}.json").read_text("utf-8"))
    names = {502: "error.failed", 503: "error.away", 504: "error.late"}
    assert said == {status: texts[name] for status, name in names.items()}
    assert len(set(said.values())) == 3


def test_a_conflict_is_decided(page, publisher, stack):
    """An administrator sees both values, what differs is marked, and replaces one."""
    publisher.publish(stack.topics.json, json_event(72, 1, olt=1), json_event(72, 1, olt=4))
    publisher.flush()
    page.goto("/conflicts?run=72")
    wait_until(lambda: page.reload() and page.get_by_role("button", name="Replace 72:1").count())
    expect(page.locator("mark")).to_have_text(["Trigger bits: 0", "Trigger bits: 2"])
    page.get_by_role("button", name="Replace 72:1").click()
    page.get_by_label("Who decides").fill("a shifter")
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    expect(page.locator("#outcome")).to_have_text("The conflict of 72:1 is decided.")
    expect(page.locator("#conflicts")).to_contain_text("There are no conflicts.")
    page.get_by_label("include resolved ones").check()
    expect(row(page, "72")).to_contain_text("replaced a shifter")
    page.goto("/#72:1")
    page.get_by_role("button", name="By pair").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("2")


def test_dead_letters_are_read_replayed_and_discarded(page, publisher, stack):
    """What was refused can be read; what is sent again is counted; what is discarded is gone."""
    topic = stack.topics.json.replace("/x", f"/{uuid.uuid4().hex}")
    publisher.publish(topic, "nonsense {")
    publisher.flush()
    page.goto("/dead-letters")
    page.get_by_role("textbox", name="Topic").fill(topic)
    filter_button = page.get_by_role("button", name="Filter")
    wait_until(lambda: filter_button.click() or page.get_by_text(topic).count(), what="letter")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text("nonsense {")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Send again").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.locator("#outcome")).to_contain_text("was sent again: 0 new")
    page.get_by_role("row").nth(1).get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#outcome")).to_contain_text("is gone")


def test_an_index_that_is_away_is_told_in_words(page, stack):
    """The page says so, and goes on by itself once the index is back."""
    page.goto("/")
    stack.index.kill()
    paste(page, "1 15")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("The index is unavailable")
    stack.index.start()
    expect(page.get_by_role("heading", name="1 event found")).to_be_visible(timeout=30_000)
