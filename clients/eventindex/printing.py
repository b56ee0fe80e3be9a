"""Foreign text in messages. Pure."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text in one line that cannot steer a terminal; backslashes stay as they are."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
