"""Which calls need a token, by the settings and by who reaches the address. Pure."""

from __future__ import annotations

from typing import NamedTuple

from service_kit.settings import Settings, is_loopback


class AccessRule(NamedTuple):
    """Whether calls need a token, and why, for the log.

    Attributes:
        tokens: they do.
        reason: why.
        certificates: they do not, since clients show certificates; calls for tokens neither.
        subjects: over gRPC the subject of a certificate stands in for a token.
        lookups: looking up needs none.
    """

    tokens: bool
    reason: str
    certificates: bool = False
    subjects: bool = False
    lookups: bool = False


def access_rule(settings: Settings, address: str) -> AccessRule:
    """Return whether calls at a gRPC address need a token.

    Where other machines reach it they do, unless a client certificate stands in for the token or
    the settings allow anonymous calls.
    """
    return _named(settings) or _by_place(settings, address)


def _named(settings: Settings) -> AccessRule | None:
    """Return the rule that a setting names for all addresses."""
    lookups = settings.allow_anonymous == "lookup"
    but = ", but for looking up (EVENTINDEX_ALLOW_ANONYMOUS=lookup)" if lookups else ""
    if settings.require_tokens:
        return AccessRule(
            True, f"calls need a token (EVENTINDEX_REQUIRE_TOKENS){but}", lookups=lookups
        )
    if settings.tls_client_subjects:
        return AccessRule(
            True,
            "calls need a token or a certificate of EVENTINDEX_TLS_CLIENT_SUBJECTS" + but,
            subjects=True,
            lookups=lookups,
        )
    if lookups:
        return AccessRule(True, f"calls need a token{but}", lookups=True)
    if settings.mode == "production":
        return AccessRule(True, "calls need a token (EVENTINDEX_MODE=production)")
    return None


def _by_place(settings: Settings, address: str) -> AccessRule:
    """Return the rule that follows from who reaches an address."""
    if is_loopback(address):
        return AccessRule(False, "calls need no token: this machine alone reaches the address")
    if settings.tls_client_ca is not None:
        return AccessRule(False, "calls need no token: clients show a certificate", True)
    if settings.allow_anonymous == "true":
        return AccessRule(False, "calls need no token: EVENTINDEX_ALLOW_ANONYMOUS")
    return AccessRule(True, "calls need a token: others reach the address")
