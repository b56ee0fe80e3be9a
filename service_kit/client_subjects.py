"""Which subjects of client certificates may do what (`EVENTINDEX_TLS_CLIENT_SUBJECTS`). Pure.

A pattern with `*` and `?` stands for one attribute of the subject, such as `CN=reco-*`, or for the
whole of it as RFC 2253 writes it, `CN=reco-7,O=SPD`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from event_store.admin.tokens import Scope

_ENTRY_ENDS = re.compile(r"[;,\n]")
_SCOPES_APART = re.compile(r"[+|\s]+")
# A comma that is no part of a value.
_ATTRIBUTES_APART = re.compile(r"(?<!\\),")


def parse_client_subjects(text: str) -> dict[str, frozenset[str]]:
    """Return which pattern stands for which scopes.

    Entries are `<pattern>=<scope>`, several scopes joined by `+`, and stand apart by commas or
    semicolons. A pattern may hold a comma.

    Raises:
        ValueError: an entry names no pattern or another scope.
    """
    found: dict[str, frozenset[str]] = {}
    pattern = ""
    for piece in filter(None, (part.strip() for part in _ENTRY_ENDS.split(text))):
        pattern = f"{pattern},{piece}" if pattern else piece
        name, _, last = pattern.rpartition("=")
        scopes = frozenset(filter(None, _SCOPES_APART.split(last)))
        if not scopes or not scopes <= set(Scope):
            continue  # the comma was one of the subject
        if "=" not in name:
            break
        found[name] = found.get(name, frozenset()) | scopes
        pattern = ""
    if pattern:
        raise ValueError(
            f"{pattern!r} is not <pattern>=<scope>, such as CN=reco-*=lookup, with "
            f"{', '.join(Scope)} (several: lookup+ingest)"
        )
    return found


def scopes_of_subject(subject: str, rules: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what a certificate with a subject may be used for; nothing where no pattern fits."""
    names = [subject, *(part.strip() for part in _ATTRIBUTES_APART.split(subject))]
    granted = {
        scope
        for pattern, scopes in rules.items()
        if any(fnmatchcase(name, pattern) for name in names)
        for scope in scopes
    }
    return [scope for scope in Scope if scope in granted]
