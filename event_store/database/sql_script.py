"""A file of SQL, cut into its statements. Pure.

A cluster takes a change of a distributed table only as a statement by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What may hold a semicolon that ends no statement, and the semicolon that does.
_PIECE = re.compile(
    r"""
    --[^\n]*                       # a comment to the end of the line
    | /\*.*?\*/                    # a comment
    | '(?:[^']|'')*'               # a text
    | "(?:[^"]|"")*"               # a name
    | (\$(?:[A-Za-z_]\w*)?\$).*?\1  # a text between dollar signs
    | (;)
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"\s*(?:--[^\n]*|/\*.*?\*/)?\s*", re.DOTALL)


def sql_statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, without those that are comments alone."""
    start = 0
    for found in _PIECE.finditer(script):
        if found[2]:
            if statement := _without_comments_before(script[start : found.start()]):
                yield statement
            start = found.end()
    if statement := _without_comments_before(script[start:]):
        yield statement


def _without_comments_before(text: str) -> str:
    at = 0
    while (found := _COMMENT.match(text, at)) and found.end() > at:
        at = found.end()
    return text[at:].rstrip()
