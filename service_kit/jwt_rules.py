"""Which signed tokens (JWT, RFC 7519) are accepted, and what they allow. Pure.

The signature is PyJWT's work. RS256 and ES256 alone, each with keys of its own kind: a key is never
taken for an HMAC's secret. Claims are as in the WLCG token profile.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import jwt
from jwt import PyJWK

from event_store.admin.tokens import Scope
from service_kit.callers import Caller

ALGORITHMS = ("RS256", "ES256")
TOLERANCE_S = 60
_SUBJECT_CHARACTERS_MAX = 255
_RSA_BITS_MIN = 2048
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
# What PyJWT says, in words for the bearer; the first that fits counts.
_WORDS: Mapping[type[jwt.InvalidTokenError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.MissingRequiredClaimError: f"it lacks one of the claims {', '.join(_REQUIRED)}",
    jwt.InvalidSignatureError: "its signature is wrong",
}


class UnfitTokenError(Exception):
    """A token is not accepted; says why, in words for its bearer."""


class JwtRules(NamedTuple):
    """What the settings say of signed tokens.

    Attributes:
        issuers: those that are accepted; none: whoever the keys are of.
        audience: that a token must be for.
        scope_claim: the claim that says what a token allows.
        scope_map: value of that claim to the scope that it stands for.
        lifetime_max_s: longest time between `iat` and `exp`.
    """

    issuers: Sequence[str]
    audience: str
    scope_claim: str
    scope_map: Mapping[str, frozenset[str]]
    lifetime_max_s: int


class Heading(NamedTuple):
    """What a token says of its key, before anything of it is believed."""

    algorithm: str
    key_id: str | None
    issuer: str


def heading_of(text: str, rules: JwtRules) -> Heading:
    """Return what tells which key to verify a token with.

    Raises:
        UnfitTokenError: it is none that is accepted.
    """
    try:
        header, claims = (_json_object(part) for part in text.split(".")[:2])
    except (ValueError, RecursionError):
        raise UnfitTokenError("it cannot be read") from None
    if header.get("alg") not in ALGORITHMS:
        raise UnfitTokenError(f"it is not signed by {' or '.join(ALGORITHMS)}")
    if "crit" in header:
        raise UnfitTokenError("it wants extensions that are not known here")
    key_id, issuer = header.get("kid"), claims.get("iss")
    if key_id is not None and not isinstance(key_id, str):
        raise UnfitTokenError("its key id is not a text")
    if not isinstance(issuer, str) or not _is_line(issuer):
        raise UnfitTokenError("it names no issuer")
    if rules.issuers and issuer not in rules.issuers:
        raise UnfitTokenError("its issuer is not accepted here")
    return Heading(header["alg"], key_id, issuer)


def usable_keys(document: object) -> list[PyJWK]:
    """Return the public keys of a JWKS document that a token may be signed with.

    Raises:
        ValueError: it is no JWKS, or holds a private key.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JSON Web Key Set: it has no list `keys`")  # noqa: TRY004  # of a document
    keys = []
    for one in listed:
        if isinstance(one, dict) and (algorithm := _algorithm(one)):
            if "d" in one:
                raise ValueError("it holds a private key: put public keys there")
            try:
                key = PyJWK(one, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            if algorithm == "ES256" or key.key.key_size >= _RSA_BITS_MIN:
                keys.append(key)
    return keys


def matching_key(keys: Sequence[PyJWK], heading: Heading) -> PyJWK | None:
    """Return the key with the id of a token; without an id the only one of its algorithm."""
    able = [key for key in keys if key.algorithm_name == heading.algorithm]
    if heading.key_id is not None:
        able = [key for key in able if key.key_id == heading.key_id]
    return able[0] if len(able) == 1 else None


def verified(text: str, key: PyJWK, rules: JwtRules, asked_again: float) -> Caller:
    """Return who bears a token.

    Raises:
        UnfitTokenError: its signature or a claim is wrong.
    """
    try:
        claims = jwt.decode(
            text,
            key,
            algorithms=list(ALGORITHMS),
            audience=rules.audience,
            issuer=rules.issuers or None,
            leeway=TOLERANCE_S,
            options={"require": _REQUIRED},
        )
    except jwt.InvalidTokenError as error:
        words = (words for kind, words in _WORDS.items() if isinstance(error, kind))
        raise UnfitTokenError(next(words, "its claims are not as they must be")) from None
    except (ValueError, OverflowError, RecursionError):
        raise UnfitTokenError("its claims are not as they must be") from None
    times = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    if not all(_is_time(value) for value in times):
        raise UnfitTokenError("a time in it is not a number")
    subject = claims["sub"]
    if not isinstance(subject, str) or not _is_line(subject):
        raise UnfitTokenError("its subject is not one line of text")
    if not 0 < claims["exp"] - claims["iat"] <= rules.lifetime_max_s:
        raise UnfitTokenError(
            f"it lives for longer than {rules.lifetime_max_s} s (EVENTINDEX_TOKEN_LIFETIME_MAX_S)"
        )
    scopes = scopes_of(claims, rules)
    ends = float(claims["exp"]) + TOLERANCE_S
    return Caller(f"{subject}@{claims['iss']}", scopes, ends, asked_again)


def scopes_of(claims: Mapping[str, Any], rules: JwtRules) -> list[str]:
    """Return what a token allows, by the claim and the map of the settings.

    The name may be that of a claim (`wlcg.groups`) or a path to one (`realm_access.roles`).
    """
    value: Any = claims.get(rules.scope_claim)
    if value is None:
        value = claims
        for part in rules.scope_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list):
        return []
    granted: set[str] = set()
    for one in value:
        if isinstance(one, str):
            granted |= rules.scope_map.get(one, frozenset())
    return [scope for scope in Scope if scope in granted]


def _algorithm(key: Mapping[str, Any]) -> str | None:
    """Return the algorithm that a key is for, None of one that no token may be signed with."""
    if key.get("use", "sig") != "sig":
        return None
    found = {"RSA": "RS256", "EC": "ES256"}.get(str(key.get("kty")))
    if found == "ES256" and key.get("crv") != "P-256":
        return None
    return found if key.get("alg", found) == found else None


def _json_object(part: str) -> dict[str, Any]:
    data = binascii.a2b_base64(
        part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4), strict_mode=True
    )
    found = json.loads(data.decode())
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004  # of a document
    return found


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_line(text: str) -> bool:
    return 0 < len(text) <= _SUBJECT_CHARACTERS_MAX and text.isprintable()
