"""What an acknowledgement says of where its commit is in the write-ahead log. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(r"([0-9]{1,20}):([0-9A-F]{1,8}/[0-9A-F]{1,8})", re.ASCII)


class CommitToken(NamedTuple):
    """A position in the write-ahead log of a database behind what was acknowledged."""

    system: str
    position: str


def parse_token(text: str) -> CommitToken | None:
    """Return the token that a client hands back; None for what is none."""
    found = _TOKEN.fullmatch(text)
    return CommitToken(*found.groups()) if found else None
