"""Where readers of the web page sign in: an identity provider, found by OpenID Connect Discovery.

The page itself asks for the token and keeps it; the gateway sees none but with the calls.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

from service_kit.jwt_settings import parse_issuers
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_KEPT_S = 3600.0
_AGAIN_S = 60.0
# Where it never answered: whoever comes meanwhile is shown no way to sign in.
_FIRST_AGAIN_S = 5.0
_WAIT_S_MAX = 2.0
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:.]+")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "end_session_endpoint")


class Provider(NamedTuple):
    """What a page needs to know of the identity provider.

    Attributes:
        client: what the page's script is told, as JSON has it.
        asked: origins that the page's script sends requests to.
        framed: origins that the page may show in a frame, for a token without a question.
    """

    client: dict[str, object]
    asked: list[str]
    framed: list[str]


class SignIn:
    """The provider of the settings; for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._again_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self.known: Provider | None = None

    async def provider(self) -> Provider | None:
        """Return the provider, as it described itself within the hour or last; None without one."""
        if not self._settings.oidc_client_id:
            return None
        if self._asking is None and time.monotonic() >= self._again_at:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None and self.known is None:
            await asyncio.wait({self._asking}, timeout=_WAIT_S_MAX)
        return self.known

    async def _ask(self) -> None:
        # PyJWT, which gateways that accept no such token do not load.
        from service_kit.jwt_keys import discovered  # noqa: PLC0415  # only here

        issuer = parse_issuers(self._settings.jwt_issuers)[0]
        wait_s = _KEPT_S
        try:
            described = await asyncio.to_thread(discovered, issuer)
            self.known = provider_of(self._settings, described)
        except (OSError, ValueError, HTTPException, RecursionError) as error:
            wait_s = _FIRST_AGAIN_S if self.known is None else _AGAIN_S
            log.warning("readers cannot sign in at %s: %s", issuer, error)
        finally:
            self._again_at = time.monotonic() + wait_s
            self._asking = None


def provider_of(settings: Settings, described: dict[str, object]) -> Provider:
    """Return what the page is told of a provider that describes itself so. Pure.

    Raises:
        ValueError: an endpoint is missing or no https URL.
    """
    found = {name: str(described[name]) for name in _ENDPOINTS if described.get(name)}
    for name in _ENDPOINTS[:2]:
        if name not in found:
            raise ValueError(f"its description has no {name}")
    origins = {name: origin(url) for name, url in found.items()}
    audience = {"audience": settings.jwt_audience}
    client: dict[str, object] = {
        "authority": described["issuer"],
        "client_id": settings.oidc_client_id,
        "scope": settings.oidc_scopes,
        "metadata": {"issuer": described["issuer"], **found},
        # Providers that know neither ignore it; INDIGO IAM makes it the claim `aud`.
        "extraQueryParams": audience,
        "extraTokenParams": audience,
    }
    return Provider(client, [origins["token_endpoint"]], [origins["authorization_endpoint"]])


def origin(url: str) -> str:
    """Return the origin of an https URL, safe in a header. Pure.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not _HOST.fullmatch(host):
        raise ValueError(f"{url!r} is not an https:// URL")
    host = f"[{host}]" if ":" in host else host
    return f"https://{host}" if parts.port in {None, 443} else f"https://{host}:{parts.port}"
