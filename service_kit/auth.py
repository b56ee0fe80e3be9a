"""Who may call: a bearer token in the metadata of each call, with the scope of its service.

One interceptor stands before all methods of a server, whatever their kind. `stream_access` looks at
the token of a stream again. Never tells a caller which tokens exist.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from event_store.admin.tokens import Scope, can_be_secret
from service_kit.access_rules import AccessRule, access_rule
from service_kit.callers import ANYBODY, NO_TOKEN, NOT_VALID, Caller, Refusal
from service_kit.certificate_access import checked_handler, subject_of
from service_kit.client_subjects import parse_client_subjects, scopes_of_subject
from service_kit.jwt_settings import can_be_jwt
from service_kit.opaque_tokens import OpaqueTokens, TokenCache
from service_kit.settings import Settings
from service_kit.stream_access import StreamAccess, set_stream_access

if TYPE_CHECKING:
    from service_kit.jwt_tokens import JwtTokens

__all__ = [
    "Access",
    "AccessRule",
    "Caller",
    "Refusal",
    "TokenCache",
    "access_control",
    "access_rule",
    "bearer_token",
    "caller_subject",
]

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
# A token made where none is asked for would be good where one is: whoever reaches a port of this
# machine, be it by a proxy, would make their own.
_TOKENS_OF_TOKENS = frozenset(
    f"eventindex.v1.AdminService/{name}" for name in ("CreateToken", "ListTokens", "RevokeToken")
)
_ADMIN_SERVICE = "eventindex.v1.AdminService"

_subject: ContextVar[str] = ContextVar("subject", default="")


def caller_subject() -> str:
    """Return the subject of the token of the current call, "" where none was asked for."""
    return _subject.get()


def access_control(settings: Settings, address: str) -> Access:
    """Return what stands before the methods at an address."""
    rule = access_rule(settings, address)
    log.info("%s: %s", address, rule.reason)
    return Access(settings, rule)


class Access(aio.ServerInterceptor):
    """Lets those calls pass that bring a valid token with the scope of their service.

    Attributes:
        tokens: whether calls need one, those for tokens apart.
    """

    def __init__(self, settings: Settings, rule: AccessRule) -> None:
        self.tokens = rule.tokens
        self._rule = rule
        self._subjects = parse_client_subjects(settings.tls_client_subjects)
        self._opaque = OpaqueTokens(settings)
        self._jwt: JwtTokens | None = None
        if settings.jwt_issuers or settings.jwt_keys:
            # What verifies signatures takes memory.
            from service_kit.jwt_tokens import JwtTokens  # noqa: PLC0415  # as above

            self._jwt = JwtTokens(settings)

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Hand the call on, or answer it with a status."""
        set_stream_access(None)
        if handler_call_details.method == _OPEN:
            return await continuation(handler_call_details)
        secret = bearer_token(handler_call_details.invocation_metadata or ())
        method = handler_call_details.method[1:]
        rule = method if method in _SCOPES else method.rpartition("/")[0]
        if self._rule.subjects and secret is None:
            _subject.set("")
            handler = await continuation(handler_call_details)
            return handler and checked_handler(handler, partial(self._check_certificate, rule))
        if not self._needs_token(method):
            await self._note_bearer(secret, method)
            return await continuation(handler_call_details)
        found = await self.check(secret, rule)
        if isinstance(found, Refusal):
            return _refuse(found)
        _subject.set(found.subject)
        set_stream_access(StreamAccess(found, partial(self.check, secret, rule)))
        return await continuation(handler_call_details)

    def close(self) -> None:
        """Let a running question to the database end."""
        self._opaque.close()

    async def check(self, secret: str | None, service: str) -> Caller | Refusal:
        """Return whether the bearer of a secret may call a service, or a method with a rule."""
        allowed = _SCOPES.get(service, _ADMIN)
        for_all = self._rule.lookups and Scope.LOOKUP in allowed
        if secret is None:
            return ANYBODY if for_all else NO_TOKEN
        caller = await self._bearer(secret)
        if isinstance(caller, Refusal) or for_all:
            return caller
        if allowed.isdisjoint(caller.scopes):
            return Refusal(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the token is for {', '.join(caller.scopes) or 'nothing here'}: {service} needs "
                f"{' or '.join(sorted(allowed, reverse=True))}",
            )
        return caller

    async def _bearer(self, secret: str) -> Caller | Refusal:
        """Return who bears a secret; what cannot be one costs no question."""
        if can_be_secret(secret):
            return await self._opaque.check(secret)
        if self._jwt is not None and can_be_jwt(secret):
            return await self._jwt.check(secret)
        return NOT_VALID

    def _needs_token(self, method: str) -> bool:
        return self.tokens or (method in _TOKENS_OF_TOKENS and not self._rule.certificates)

    async def _check_certificate(
        self, service: str, context: aio.ServicerContext[Any, Any]
    ) -> None:
        """Let a call go on whose certificate has a scope of the service, and note its subject."""
        subject = subject_of(context)
        _subject.set(subject)
        allowed = _SCOPES.get(service, _ADMIN)
        scopes = scopes_of_subject(subject, self._subjects)
        if self._rule.lookups and Scope.LOOKUP in allowed:
            return
        if allowed.isdisjoint(scopes):
            what = f"for {', '.join(scopes)}" if scopes else "in no EVENTINDEX_TLS_CLIENT_SUBJECTS"
            log.info("refused: the certificate of %s is %s", subject, what)
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the certificate of {subject} is {what}: {service} needs "
                f"{' or '.join(sorted(allowed, reverse=True))}",
            )

    async def _note_bearer(self, secret: str | None, method: str) -> None:
        """Note who administrates, where a token is brought that nobody asked for."""
        _subject.set("")
        if secret is not None and method.startswith(_ADMIN_SERVICE):
            found = await self._bearer(secret)
            if isinstance(found, Caller):
                _subject.set(found.subject)


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
