"""The settings of signed tokens, as text to values, and what tells such a token. Pure.

Without PyJWT, which a service that accepts none does not load.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from event_store.admin.tokens import Scope

TOKEN_BYTES_MAX = 16 * 1024
SCOPE_MAP = "eventindex.lookup=lookup,eventindex.ingest=ingest,eventindex.admin=admin"
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def parse_issuers(text: str) -> list[str]:
    """Return the issuers of a setting.

    Raises:
        ValueError: one of them is no https URL.
    """
    issuers = [issuer.strip() for issuer in text.split(",") if issuer.strip()]
    for issuer in issuers:
        parts = urlsplit(issuer)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{issuer!r} is not an https:// URL without query and fragment")
        if parts.username is not None:
            raise ValueError(f"the URL of {parts.hostname!r} has a user name")
    return issuers


def parse_scope_map(text: str) -> dict[str, frozenset[str]]:
    """Return which value of the claim stands for which scopes.

    Raises:
        ValueError: an entry is not <value>=<scope>.
    """
    found: dict[str, frozenset[str]] = {}
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        value, _, scope = entry.rpartition("=")
        if not value or scope not in list(Scope):
            raise ValueError(f"{entry!r} is not <value>=<scope>, with one of {', '.join(Scope)}")
        found[value] = found.get(value, frozenset()) | {scope}
    return found


def can_be_jwt(text: str) -> bool:
    """Return whether a text has the form of a signed token."""
    return len(text) <= TOKEN_BYTES_MAX and _FORM.fullmatch(text) is not None
