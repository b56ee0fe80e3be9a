"""What the services say, in the language of who reads it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.support.browser import reader
from tests.support.ingest import json_event
from tests.support.processes import wait_until

SAID = {
    "en": ("run 424242 is not in the index", "event_number is -7, not from 0 to"),
    "pt": ("A corrida 424242 não está no índice", "event_number é -7, fora de 0 a"),
    "ru": ("Рана 424242 нет в индексе", "event_number — -7, вне диапазона от 0 до"),
}


@pytest.mark.parametrize("language", SAID)
def test_sentences_of_the_services_are_in_the_language_of_the_page(
    browser, stack, publisher, language
):
    """A run that is not there, and what is wrong with a refused event, are told to each reader."""
    missing, refused = SAID[language]
    topic = stack.topics.json.replace("/x", f"/language-{language}")
    publisher.publish(topic, json_event(7, -7))
    publisher.flush()
    with reader(browser, stack.url, locale=language) as page:
        page.goto("/runs/424242")
        expect(page.locator("#facts").get_by_role("alert")).to_contain_text(missing)
        page.goto(f"/dead-letters?topic={topic}")
        wait_until(lambda: page.reload() and page.get_by_text(topic).count(), what="the letter")
        expect(page.locator("#letters")).to_contain_text(refused)


def test_a_sentence_has_its_reason_and_parameters(page, stack):
    """Programs of other languages get a code and what stands in the sentence, over REST too."""
    problem = page.request.get("/api/v1/runs/424242").json()
    assert (problem["reason"], problem["parameters"]) == ("RUN_NOT_FOUND", {"run": "424242"})
    problem = page.request.get("/api/v1/counts?run_first=-1&by=colour&limit=3").json()
    told = {(each["field"], each["reason"], each["detail"]) for each in problem["errors"]}
    assert told == {
        ("run_first", "FIELD_BELOW", "run_first is -1: below 0"),
        ("by", "FIELD_NO_CHOICE", "by is colour: none of run, dataset, file, bit"),
        ("limit", "FIELD_NOT_TAKEN", "limit is not a parameter of this call"),
    }
    assert "nput should" not in json.dumps(problem)


def test_conflicts_are_decided_by_the_filter(page, publisher, stack):
    """All open conflicts of a run are counted, confirmed and decided together; others stay."""
    for run in (73, 74):
        events = [json_event(run, event, olt=olt) for event in (1, 2) for olt in (1, 4)]
        publisher.publish(stack.topics.json, *events)
    publisher.flush()
    page.goto("/conflicts?run=73")
    wait_until(lambda: page.reload() and page.get_by_text("2 rows").count(), what="two conflicts")
    page.get_by_role("button", name="Keep all stored values").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Keep the stored values of 2 conflicts?")
    dialog.get_by_label("Who decides").fill("a shifter")
    dialog.get_by_role("button", name="Keep").click()
    expect(page.locator("#outcome")).to_have_text("Done: 2 of 2.")
    expect(page.locator("#conflicts")).to_contain_text("There are no conflicts.")
    page.goto("/conflicts?run=74")
    expect(page.get_by_text("2 rows")).to_be_visible()
    page.get_by_role("button", name="Take all offered values").click()
    dialog.get_by_role("button", name="Replace").click()
    expect(page.locator("#outcome")).to_have_text("Done: 2 of 2.")
    page.get_by_label("include resolved ones").check()
    expect(page.locator("#conflicts")).to_contain_text("replaced a shifter")


def test_dead_letters_are_sent_again_by_the_filter(page, publisher, stack):
    """All that the filter finds go through ingest again; what is refused again is told."""
    topic = stack.topics.json.replace("/x", "/again")
    publisher.publish(topic, *(f"nonsense {number}" for number in range(2)))
    publisher.flush()
    page.goto(f"/dead-letters?topic={topic}")
    wait_until(lambda: page.reload() and page.get_by_text("2 rows").count(), what="two letters")
    page.get_by_role("button", name="Send all of these again").click()
    expect(page.get_by_role("dialog")).to_contain_text("Send 2 dead letters again?")
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.locator("#outcome")).to_have_text("Done: 0 of 2.")
