"""Chromium, and what is behind the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import (
    WebStack,
    chromium,
    reader,
    web_stack,
)
from tests.support.gateway import database
from tests.support.ingest import Publisher

# A busy machine takes its time.
expect.set_options(timeout=15_000)


# Not for the session: while it is open, no other event loop can run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def stack(postgres, _template, mosquitto) -> Iterator[WebStack]:
    with database(postgres, _template) as url, web_stack(url, mosquitto.url) as running:
        yield running


@pytest.fixture(scope="session")
def publisher(mosquitto) -> Iterator[Publisher]:
    sender = Publisher(mosquitto.port)
    yield sender
    sender.close()


@pytest.fixture
def page(browser, stack) -> Iterator[Page]:
    """A page of a reader with a desktop."""
    size = {"width": 1280, "height": 900}
    clipboard = ["clipboard-read", "clipboard-write"]
    with reader(browser, stack.url, viewport=size, permissions=clipboard) as opened:
        yield opened
