"""Who may call: a bearer token in the metadata of each call, with the scope of its service.

One interceptor stands before all methods of a server, whatever their kind. A call is checked when
it begins; a stream goes on when its token ends. Never tells a caller which tokens exist.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import grpc
from grpc import aio

from event_store.admin import tokens
from event_store.admin.tokens import AccessToken, Scope
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError
from service_kit.settings import Settings, is_loopback

log = logging.getLogger(__name__)

# Probes carry no token. Watch needs one: each of its streams takes the place of a call.
_OPEN = "/grpc.health.v1.Health/Check"
# Scopes by service or by method. A service that is not listed takes admin tokens only.
_ANY: frozenset[str] = frozenset(Scope)
_ADMIN: frozenset[str] = frozenset({Scope.ADMIN})
_SCOPES: dict[str, frozenset[str]] = {
    "eventindex.v1.IndexService": frozenset({Scope.LOOKUP, Scope.ADMIN}),
    "eventindex.v1.IngestService": frozenset({Scope.INGEST, Scope.ADMIN}),
    "eventindex.v1.AdminService": _ADMIN,
    "eventindex.v1.AdminService/IngestStatus": _ANY,
    "grpc.health.v1.Health": _ANY,
    "grpc.reflection.v1.ServerReflection": _ANY,
    "grpc.reflection.v1alpha.ServerReflection": _ANY,
}
_TOKENS_CACHED_MAX = 10_000

_subject: ContextVar[str] = ContextVar("subject", default="")


class AccessRule(NamedTuple):
    """Whether calls need a token, and why, for the log."""

    tokens: bool
    reason: str


class Refusal(NamedTuple):
    """Why a call may not be made, in words for the caller."""

    code: grpc.StatusCode
    text: str


_NO_TOKEN = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "a token is needed: metadata `authorization: Bearer <token>`"
)
_NOT_VALID = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "the token is not valid: unknown, expired or revoked"
)
_AWAY = Refusal(
    grpc.StatusCode.UNAVAILABLE, "the database does not answer, the token cannot be checked"
)
_FAILED = Refusal(grpc.StatusCode.INTERNAL, "the token cannot be checked; see the service's log")


def caller_subject() -> str:
    """Return the subject of the token of the current call, "" where none was asked for."""
    return _subject.get()


def access_rule(settings: Settings, address: str) -> AccessRule:
    """Return whether calls at a gRPC address need a token.

    Where other machines reach it they do, unless a client certificate stands in for the token or
    the settings allow anonymous calls.
    """
    if settings.require_tokens:
        return AccessRule(True, "calls need a token (EVENTINDEX_REQUIRE_TOKENS)")
    if is_loopback(address):
        return AccessRule(False, "calls need no token: this machine alone reaches the address")
    if settings.tls_client_ca is not None:
        return AccessRule(False, "calls need no token: clients show a certificate")
    if settings.allow_anonymous:
        return AccessRule(False, "calls need no token: EVENTINDEX_ALLOW_ANONYMOUS")
    return AccessRule(True, "calls need a token: others reach the address")


def access_control(settings: Settings, address: str) -> Access | None:
    """Return what stands before the methods at a gRPC address; None where everybody may call."""
    rule = access_rule(settings, address)
    log.info("%s: %s", address, rule.reason)
    return Access(settings) if rule.tokens else None


class Access(aio.ServerInterceptor):
    """Lets those calls pass that bring a valid token with the scope of their service."""

    def __init__(self, settings: Settings) -> None:
        # A connection of its own: calls that keep the others busy must not delay this check.
        self._threads = DatabaseThreads(
            settings.database_url, settings.store_options, 1, name="eventindex tokens"
        )
        self._cache = TokenCache(self._read, settings.token_cache_s)

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Hand the call on, or answer it with a status."""
        if handler_call_details.method == _OPEN:
            return await continuation(handler_call_details)
        secret = bearer_token(handler_call_details.invocation_metadata or ())
        method = handler_call_details.method[1:]
        found = await self.check(secret, method if method in _SCOPES else method.rpartition("/")[0])
        if isinstance(found, Refusal):
            return _refuse(found)
        _subject.set(found.subject)
        return await continuation(handler_call_details)

    def close(self) -> None:
        """Let a running question to the database end."""
        self._threads.close()

    async def check(self, secret: str | None, service: str) -> AccessToken | Refusal:
        """Return whether the bearer of a secret may call a service, or a method with a rule."""
        if secret is None:
            return _NO_TOKEN
        try:
            token = await self._cache.get(tokens.digest_of(secret))
        except (StoreError, UnusableDatabaseError) as error:
            log.warning("tokens cannot be checked: %s", error)
            return _FAILED
        except StoreUnavailableError as error:
            log.warning("tokens cannot be checked, the database is away: %s", error)
            return _AWAY
        if token is None or token.revoked is not None or token.expires.timestamp() <= time.time():
            return _NOT_VALID
        allowed = _SCOPES.get(service, _ADMIN)
        if allowed.isdisjoint(token.scopes):
            return Refusal(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the token is for {', '.join(token.scopes)}: {service} needs "
                f"{' or '.join(sorted(allowed, reverse=True))}",
            )
        return token

    async def _read(self, digest: bytes) -> AccessToken | None:
        return await self._threads.run(partial(tokens.find, digest=digest))


class TokenCache:
    """Remembers for a bounded time what the database says of a token.

    What it does not know is not remembered: guesses push nothing out.
    """

    def __init__(
        self, read: Callable[[bytes], Awaitable[AccessToken | None]], seconds_max: float
    ) -> None:
        self._read = read
        self._seconds_max = seconds_max
        self._known: dict[bytes, tuple[float, AccessToken]] = {}
        self._asked: dict[bytes, asyncio.Task[AccessToken | None]] = {}

    async def get(self, digest: bytes) -> AccessToken | None:
        """Return the token with a digest, as it was at most `seconds_max` ago.

        Raises:
            StoreUnavailableError: it is not remembered and the database does not answer.
        """
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        # Calls of one client arrive together and share one query, which goes on when the call that
        # started it is cancelled.
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = asyncio.create_task(self._ask(digest))
        return await asyncio.shield(asked)

    async def _ask(self, digest: bytes) -> AccessToken | None:
        until = time.monotonic() + self._seconds_max
        try:
            token = await self._read(digest)
        finally:
            del self._asked[digest]
        self._known.pop(digest, None)
        if token is not None:
            while len(self._known) >= _TOKENS_CACHED_MAX:
                del self._known[next(iter(self._known))]
            self._known[digest] = until, token
        return token


def bearer_token(metadata: Sequence[tuple[str, str | bytes]]) -> str | None:
    """Return the secret of the one `authorization` entry; None without one, or with several."""
    entries = [value for key, value in metadata if key == "authorization"]
    if len(entries) != 1 or not isinstance(entries[0], str):
        return None
    scheme, _, secret = entries[0].partition(" ")
    return secret if scheme.lower() == "bearer" and secret else None


def _refuse(refusal: Refusal) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler that answers any call with a status, before a message is read."""

    async def abort(_: Any, context: aio.ServicerContext[Any, Any]) -> None:
        await context.abort(refusal.code, refusal.text)

    return grpc.stream_stream_rpc_method_handler(abort)
