"""The page for everyone: languages, light and dark, the keyboard, a token."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from playwright.sync_api import Locator, Page, expect

import eventindex
from eventindex.columns import EventColumns
from eventindex.results import RawFile
from tests.support.browser import (
    make_token,
    reader,
    serious_violations,
    web_stack,
)
from tests.support.gateway import FILES
from tests.support.web_lists import saved

PAGES = {
    "lookup": "/#1:0,1:15,2:1,9:9",
    "runs": "/runs",
    "run": "/runs/1",
    "datasets": "/datasets",
    "dataset": "/datasets/7",
    "file": f"/files/{FILES[0]}",
    "live": "/live",
    "select": "/select?runs=1-3",
    "jobs": "/jobs",
    "missing": "/nosuch",
    "cosmic": "/cosmic",
    "conflicts": "/conflicts",
    "dead letters": "/dead-letters",
    "collections": "/collections",
    "no run": "/runs/99999",
    "API": "/docs",
}
# Each language, each width and each of light and dark are seen, and both widths in all three.
VIEWS = [
    ("en-GB", 1280, "dark"),
    ("en-GB", 390, "light"),
    ("ru-RU", 1280, "light"),
    ("ru-RU", 390, "dark"),
    ("pt-BR", 1280, "dark"),
    ("pt-BR", 390, "light"),
]


def test_languages(browser, stack):
    """The browser's language is spoken, another can be chosen, and the choice stays."""
    with reader(browser, stack.url, locale="ru-RU") as page:
        page.goto("/#1:15,1:16")
        expect(page.locator("html")).to_have_attribute("lang", "ru")
        expect(page.get_by_role("heading", name="Найдено 2 события в 1 RAW-файле")).to_be_visible()
        page.get_by_label("Язык").select_option("pt")
        expect(page.get_by_role("heading", name="Em qual arquivo RAW")).to_be_visible()
        page.goto("/runs")
        expect(page.get_by_role("heading", name="Corridas", exact=True)).to_be_visible()


def test_light_and_dark(browser, stack):
    """The system's choice holds until the reader makes one, which stays."""
    with reader(browser, stack.url, color_scheme="dark") as page:
        page.goto("/runs")
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(colour)
        page.get_by_label("Light or dark").select_option("light")
        light = page.evaluate(colour)
        assert dark != light
        page.goto("/datasets")
        assert page.evaluate(colour) == light


def test_the_keyboard_is_enough(page):
    """From the address bar to the answers, another view and a run, without a pointer."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Run and event numbers")).to_be_focused()
    page.keyboard.type("3 15")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Look up 1 pair")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 event found in 1 RAW file")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="By pair"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="3", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Run 3")).to_be_visible()


def tab_to(page: Page, wanted: Locator, presses_max: int = 12) -> None:
    """Press Tab until something has the focus."""
    for _ in range(presses_max):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{presses_max} tabs do not lead to {wanted}")


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.slow
@pytest.mark.parametrize(("locale", "width", "scheme"), VIEWS)
def test_every_page_is_open_to_everyone(browser, stack, locale, width, scheme):
    """No serious violation in any language, on a desk or a phone; nothing wider than the screen."""
    size = {"width": width, "height": 900}
    with reader(browser, stack.url, locale=locale, viewport=size, color_scheme=scheme) as page:
        troubles = []
        for name, address in PAGES.items():
            page.goto(address)
            expect(page.locator("[aria-busy]")).to_have_count(0)
            if name == "API":
                expect(page.locator(".opblock-summary-control").first).to_be_visible()
                page.locator(".opblock-summary-control").first.click()
                expect(page.locator(".opblock-body").first).to_be_visible()
            assert page.evaluate(WIDER) <= 0, f"{name} at {width}"
            troubles += serious_violations(page)
        assert not troubles, json.dumps(troubles, indent=1)


def test_a_token_is_asked_for_and_kept_for_the_tab(browser, database_url, mosquitto):
    """Without a token nothing is shown; one opens what its scope says, downloads too."""
    url = database_url
    with ExitStack() as running:
        stack = running.enter_context(web_stack(url, mosquitto.url, require_tokens=True))
        with eventindex.connect(
            stack.index.address, ingest_address=stack.ingest.address, token=make_token(url, "admin")
        ) as client:
            list(client.ingest([EventColumns([RawFile(FILES[0], 7)], 1, [1, 2], [1, 1])]))
        size = {"width": 390, "height": 900}
        page = running.enter_context(reader(browser, stack.url, viewport=size))
        page.goto("/runs/1")
        expect(page.locator("#facts")).to_have_text("A valid token is needed.")
        assert page.evaluate(WIDER) <= 0
        assert serious_violations(page) == []
        give_token(page, make_token(url, "lookup"))
        expect(page.locator("#facts")).to_contain_text("Last event2")
        expect(page.locator("#files")).to_contain_text(FILES[0])
        expect(page.locator("#token")).to_be_hidden()
        _, text = saved(page, page.get_by_role("link", name="Download the events (CSV)"))
        assert len(text.splitlines()) == 3
        page.goto("/live")
        expect(page.locator("#last")).to_contain_text(FILES[0])
        page.goto("/dead-letters")
        expect(page.locator("#letters")).to_contain_text("Your token does not allow this")
        give_token(page, make_token(url, "admin"))
        expect(page.locator("#letters")).to_have_text("There are no dead letters.")
        page.get_by_role("button", name="Token").click()
        page.get_by_role("button", name="Forget it").click()
        expect(page.locator("#letters")).to_have_text("A valid token is needed.")


def give_token(page: Page, token: str) -> None:
    """Fill in the form that asks for a token."""
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Use this token").click()
