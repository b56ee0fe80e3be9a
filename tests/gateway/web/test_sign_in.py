"""Readers of the page sign in at an identity provider, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import WebStack, cookies_for_frames, make_token, reader, web_stack
from tests.support.gateway import database
from tests.support.jwt import AUDIENCE
from tests.support.oidc_provider import CLIENT_ID, OidcProvider
from tests.support.processes import wait_until

NEEDED = "Sign in, or use a valid token."
STORED = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"
HELD = "import('/assets/lib/api.js').then(({ token }) => token.held)"
ASK_WITH = """(given) => import("/assets/lib/api.js").then(async ({ ask, token }) => {
    token.held = given;
    return (await ask("/runs")).status;
})"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory) -> Iterator[OidcProvider]:
    made = OidcProvider(tmp_path_factory.mktemp("provider"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def signed(provider, postgres, _template, mosquitto) -> Iterator[WebStack]:
    """The services behind the provider."""
    settings = {
        "require_tokens": True,
        "jwt_issuers": provider.url,
        "jwt_audience": AUDIENCE,
        "oidc_client_id": CLIENT_ID,
    }
    with pytest.MonkeyPatch.context() as patch, database(postgres, _template) as url:
        patch.setenv("SSL_CERT_FILE", str(provider.ca))
        with web_stack(url, mosquitto.url, **settings) as running:
            provider.register(running.url)
            yield running


@pytest.fixture
def page(browser, signed, provider) -> Iterator[Page]:
    """A reader whom the provider does not know yet."""
    provider.sessions.clear()
    provider.lifetime_s, provider.same_site, provider.refreshes = 600, "None", False
    with reader(browser, signed.url, ignore_https_errors=True) as opened:
        yield opened


def sign_in(page: Page, name: str = "Sign in") -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="I am Anna").click()


def test_a_reader_signs_in_and_stays_signed_in_from_page_to_page(page, provider, signed) -> None:
    """Back on the page that was asked for; the next one asks nothing; no token is stored anywhere;
    whoever leaves has left, at the provider too.
    """
    page.goto("/runs?run_first=1#kept")
    expect(page.locator("#runs")).to_contain_text(NEEDED)
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_hidden()
    assert page.url == f"{signed.url}/runs?run_first=1#kept"
    expect(page.locator("#runs")).not_to_contain_text(NEEDED)
    page.goto("/datasets")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)
    expect(page.locator("#datasets")).not_to_contain_text(NEEDED)
    assert len(provider.issued) >= 2
    assert not any(token[:40] in page.evaluate(STORED) for token in provider.issued)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{signed.url}/")
    page.goto("/runs")
    expect(page.locator("#runs")).to_contain_text(NEEDED)
    assert provider.sessions == {}


def test_a_browser_that_keeps_frames_from_cookies_goes_there_itself(page, provider, signed) -> None:
    """The next page is signed in too, and one whose reader the provider forgot is signed out."""
    provider.same_site = "Lax"
    page.goto("/runs")
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto("/datasets#here")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.url == f"{signed.url}/datasets#here"
    provider.sessions.clear()
    page.goto("/runs")
    expect(page.locator("#runs")).to_contain_text(NEEDED)
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert page.url == f"{signed.url}/runs"


def renew(page: Page, provider: OidcProvider) -> None:
    """Stay on a page until its token is nearly over, and once more with one that is."""
    provider.lifetime_s = 62  # the next one is asked for a minute before the end
    page.goto("/runs")
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    first = page.evaluate(HELD)
    assert first in provider.issued
    provider.lifetime_s = 600
    wait_until(lambda: page.evaluate(HELD) not in {"", first}, what="a newer token")
    assert page.evaluate(HELD) == provider.issued[-1]
    expired = provider.issuer.token("lookup", exp=1)
    assert page.evaluate(ASK_WITH, expired) == 200
    assert page.evaluate(HELD) == provider.issued[-1]
    # One that was given up comes back with the next call.
    assert page.evaluate(ASK_WITH, "") == 200
    assert page.evaluate(HELD) == provider.issued[-1]
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert not any(token[:40] in page.evaluate(STORED) for token in provider.issued)


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused(page, provider) -> None:
    """Who leaves a page open goes on with the next token; one that ended while the machine slept is
    replaced, and the call made again.
    """
    provider.refreshes = True
    refreshed = provider.refreshed
    renew(page, provider)
    assert provider.refreshed == refreshed + 3


@pytest.mark.slow
def test_a_token_is_renewed_in_a_frame(browser, signed, provider, page, tmp_path) -> None:
    """The same without refresh tokens, where the browser gives the provider's frame its cookie."""
    with cookies_for_frames(browser, tmp_path, signed.url, ignore_https_errors=True) as own:
        renew(own, provider)
        assert own.url == f"{signed.url}/runs"


@pytest.mark.parametrize(
    ("locale", "name", "out"), [("pt-BR", "Entrar", "Sair"), ("ru-RU", "Войти", "Выйти")]
)
def test_signing_in_in_other_languages(browser, signed, provider, locale, name, out) -> None:
    """The buttons speak the reader's language."""
    provider.sessions.clear()
    with reader(browser, signed.url, ignore_https_errors=True, locale=locale) as page:
        page.goto("/runs")
        sign_in(page, name)
        expect(page.get_by_role("button", name=out, exact=True)).to_be_visible()


def test_a_token_of_the_database_is_taken_beside_it(page, signed) -> None:
    """Who was handed a token gives it to the page, as where there is no provider."""
    page.goto("/runs")
    page.get_by_label("Token", exact=True).fill(make_token(signed.database_url, "lookup"))
    page.get_by_role("button", name="Use this token").click()
    expect(page.locator("#runs")).not_to_contain_text(NEEDED)
    page.goto("/datasets")
    expect(page.locator("#datasets")).not_to_contain_text(NEEDED)


def test_an_answer_that_nobody_asked_for_signs_nobody_in(page, signed) -> None:
    """A link with somebody else's code does nothing; a refusal of the provider is told."""
    page.goto("/sign-in?code=stolen&state=guessed")
    expect(page).to_have_url(f"{signed.url}/")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.goto("/runs")
    page.get_by_role("button", name="Sign in", exact=True).click()
    state = re.search(r"state=([^&]+)", page.url)
    assert state is not None
    page.goto(f"/sign-in?error=access_denied&error_description=not+for+you&state={state[1]}")
    expect(page.locator("#token_hint")).to_have_text("Signing in failed: not for you")
    assert page.url == f"{signed.url}/runs"


def test_the_page_may_ask_the_provider_and_nobody_else(signed, provider) -> None:
    """The policy names its origin alone; the page of the answer may be in our own frames."""
    with httpx.Client(base_url=signed.url) as http:
        policy = http.get("/runs").headers["content-security-policy"]
        assert f"connect-src 'self' {provider.url};" in policy
        assert f"frame-src 'self' {provider.url};" in policy
        assert "frame-ancestors 'none'" in policy
        back = http.get("/sign-in").headers
        assert "frame-ancestors 'self'" in back["content-security-policy"]
        assert back["x-frame-options"] == "SAMEORIGIN"
        assert provider.url not in back["content-security-policy"]
