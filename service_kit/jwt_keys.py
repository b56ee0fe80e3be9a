"""The public keys of token issuers: fetched over https or read from a file, and kept for a while.

Keys are kept for an hour; for a key id that is not known they are asked for again, at most once a
minute; the last good ones stay while their source is away. Never follows a redirect.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from jwt import PyJWK

from service_kit.jwt_rules import Heading, matching_key, usable_keys

log = logging.getLogger(__name__)

KEPT_S = 3600.0
ASKED_AGAIN_S = 60.0
# Where there never were any: whoever comes meanwhile is told to try again.
_FIRST_AGAIN_S = 5.0
_ANSWER_S_MAX = 5.0
_DOCUMENT_BYTES_MAX = 1024 * 1024
DISCOVERY = "/.well-known/openid-configuration"

Fetch = Callable[[], Sequence[PyJWK]]


class KeysAwayError(Exception):
    """No keys are there, and none can be had now."""


class IssuerKeys:
    """The keys of one source."""

    def __init__(self, name: str, fetch: Fetch) -> None:
        """`fetch` reads the keys, in another thread; it raises OSError or ValueError."""
        self._name = name
        self._fetch = fetch
        self._keys: Sequence[PyJWK] | None = None
        self._old_at = 0.0
        self._asked_again_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def find(self, heading: Heading) -> PyJWK | None:
        """Return the key of a token, None where the issuer has no such key.

        Raises:
            KeysAwayError: there are none yet and none can be had.
        """
        if self._keys is None or time.monotonic() >= self._old_at:
            await self._ask()
        key = matching_key(self._keys or (), heading)
        if key is None:
            await self._ask()
            key = matching_key(self._keys or (), heading)
        if self._keys is None:
            raise KeysAwayError(self._name)
        return key

    async def _ask(self) -> None:
        """Fetch the keys, unless it was tried just now; calls that come together share one try."""
        if self._asking is None:
            if time.monotonic() < self._asked_again_at:
                return
            self._asking = asyncio.create_task(self._fetched())
        await asyncio.shield(self._asking)

    async def _fetched(self) -> None:
        try:
            self._keys = await asyncio.to_thread(self._fetch)
            self._old_at = time.monotonic() + KEPT_S
        except (OSError, ValueError, HTTPException, RecursionError) as error:
            log.warning("the keys of %s cannot be had: %s", self._name, error)
        finally:
            wait_s = _FIRST_AGAIN_S if self._keys is None else ASKED_AGAIN_S
            self._asked_again_at = time.monotonic() + wait_s
            self._asking = None


def keys_of_file(path: Path) -> Fetch:
    """Return what reads the keys of a JWKS file."""

    def fetch() -> Sequence[PyJWK]:
        keys = usable_keys(json.loads(path.read_bytes()))
        if not keys:
            raise ValueError(f"{path} has no key for RS256 (from 2048 bits) or ES256")
        return keys

    return fetch


def keys_of_issuer(issuer: str) -> Fetch:
    """Return what fetches the keys of an issuer by OpenID Connect Discovery."""

    def fetch() -> Sequence[PyJWK]:
        return usable_keys(get_json(str(discovered(issuer).get("jwks_uri", ""))))

    return fetch


def discovered(issuer: str) -> dict[str, object]:
    """Return what an issuer says of itself.

    Raises:
        OSError, HTTPException: it does not answer.
        ValueError: it says something else than it should.
    """
    document = get_json(issuer.rstrip("/") + DISCOVERY)
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError(f"{issuer}{DISCOVERY} does not name this issuer")
    return document


def get_json(url: str) -> object:
    """Return the JSON document at an https URL; raises as `discovered`."""
    if urlsplit(url).scheme != "https":
        raise ValueError(f"{url!r} is not an https:// URL")
    deadline = time.monotonic() + _ANSWER_S_MAX
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310  # https
    data = b""
    with _opener.open(request, timeout=_ANSWER_S_MAX) as answer:
        while piece := answer.read1(64 * 1024):
            data += piece
            if len(data) > _DOCUMENT_BYTES_MAX or time.monotonic() > deadline:
                raise ValueError(f"{url} is too long or too slow")
    return json.loads(data)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An issuer that is somewhere else is another one."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


_opener = urllib.request.build_opener(_NoRedirect())
