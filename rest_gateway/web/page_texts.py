"""The texts of the pages: a catalogue a language, and which language a reader gets.

The catalogues are `web/texts/<language>.json`; `web/texts/told/` has sentences of the services by
their reasons. Templates and scripts use the same one. Pure but for reading them once.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "pt": "Português (Brasil)", "ru": "Русский"}
# What browsers are told the language is, where it is a variety of it.
TAGS = {"pt": "pt-BR"}
_DEFAULT = "en"
_FOLDER = Path(__file__).parent / "texts"
# More than any browser sends.
_CHOICES_MAX = 20

Plural = dict[str, str]
Catalogue = dict[str, str | Plural]


@cache
def catalogue(language: str) -> Catalogue:
    """Return all texts of a language by their keys; plurals are objects by CLDR category."""
    found: Catalogue = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    # The services' own sentences are English.
    sentences = _FOLDER / "told" / f"{language}.json"
    if sentences.exists():
        told: dict[str, str] = json.loads(sentences.read_text("utf-8"))
        found |= {f"told.{reason}": text for reason, text in told.items()}
    return found


def text(language: str, key: str) -> str:
    """Return one text that is no plural."""
    found = catalogue(language)[key]
    if not isinstance(found, str):
        raise TypeError(f"{key} is a plural")
    return found


def names(group: str) -> list[str]:
    """Return what a group of texts has one for: `reason.malformed` is `malformed` of `reason`."""
    return [key.partition(".")[2] for key in catalogue(_DEFAULT) if key.startswith(f"{group}.")]


def choose(chosen: str | None, accept_language: str) -> str:
    """Return the language that a reader chose, else the browser's first, else English."""
    if chosen in LANGUAGES:
        return chosen
    wanted: list[tuple[float, str]] = []
    for choice in accept_language.split(",")[:_CHOICES_MAX]:
        tag, _, weight = choice.partition(";q=")
        language = tag.strip().partition("-")[0].lower()
        if language in LANGUAGES:
            wanted.append((_weight(weight), language))
    # Of equal ones the first, as `max` finds it.
    best = max(wanted, key=lambda each: each[0], default=(0.0, ""))
    return best[1] if best[0] > 0 else _DEFAULT


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
