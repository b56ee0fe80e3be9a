"""What the tests of the web page share: Chromium, the stack behind the page, axe-core."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from event_store.admin import tokens
from event_store.database.connection import Connection, StoreOptions
from tests.support.gateway import gateway, store_samples
from tests.support.ingest import Topics
from tests.support.processes import Service

AXE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]
_NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
# What Chromium itself says of an answer that is a problem document; the page says it in words.
_FAILED_ANSWER = re.compile(r"Failed to load resource: .*")


@dataclass
class WebStack:
    """The processes behind the page."""

    url: str
    database_url: str
    topics: Topics
    ingest: Service
    index: Service


def _found() -> str:
    """Where the Chromium of this system is."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise FileNotFoundError("chromium is not on the PATH: install the package chromium")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this system."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_found(), args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def web_stack(database_url: str, mqtt_url: str, **settings: object) -> Iterator[WebStack]:
    """All services with these settings; without tokens, the sample events too."""
    topics = Topics()
    shared = {"database_url": database_url, **settings}
    with ExitStack() as stack:
        ingest = Service("ingest_service", mqtt_url=mqtt_url, **topics.settings, **shared)
        stack.callback(ingest.close)
        index = Service("index_service", **shared)
        stack.callback(index.close)
        ingest.start()
        index.start()
        token = {}
        if "require_tokens" in settings:
            token = {"token": make_token(database_url, "lookup")}
        else:
            store_samples(index.address, ingest.address)
        service, _ = stack.enter_context(
            gateway(
                database_url,
                index.address,
                ingest.address,
                **settings,
                **token,
            )
        )
        yield WebStack(f"http://{service.address}", database_url, topics, ingest, index)


def make_token(database_url: str, *scopes: str) -> str:
    """The secret of a new token."""
    secret = f"eix_{secrets.token_hex()}"
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    tokens.create(connection, tokens.digest_of(secret), "test", scopes, 600)
    connection.close()
    return secret


@contextmanager
def reader(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page of a new reader; what it logs as an error, or throws, fails the test."""
    context = browser.new_context(base_url=url, **{"locale": "en-GB", **options})
    yield from _used(context)


@contextmanager
def cookies_for_frames(browser: Browser, profile: Path, url: str, **options: Any) -> Iterator[Page]:
    """The same in a browser whose reader lets frames of other sites have cookies."""
    preferences = profile / "Default" / "Preferences"
    preferences.parent.mkdir()
    preferences.write_text('{"profile": {"cookie_controls_mode": 0}}')
    context = browser.browser_type.launch_persistent_context(
        profile, executable_path=_found(), args=_ARGUMENTS, base_url=url, locale="en-GB", **options
    )
    yield from _used(context)


def _used(context: BrowserContext) -> Iterator[Page]:
    context.set_default_timeout(15_000)
    troubles = watch(context)
    yield context.new_page()
    context.close()
    assert not troubles, troubles


def watch(context: BrowserContext) -> list[str]:
    """The errors of all pages of a context: broken scripts, refused by the security policy."""
    troubles: list[str] = []

    def told(message: Any) -> None:
        if message.type in {"error", "warning"} and not _FAILED_ANSWER.match(message.text):
            troubles.append(message.text)

    context.on("console", told)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    return troubles


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds that keeps people out: rule and elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url}: {each['id']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
