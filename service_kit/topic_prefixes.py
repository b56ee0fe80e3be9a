"""Which topic prefixes the bridge can subscribe below and tell apart. Pure.

A broker refuses some filters, takes others for something else, or delivers a message twice where
two of them match: what a start refuses by name is not found out by what is missing later.
"""

from __future__ import annotations

from collections.abc import Mapping

_WILDCARDS = "+#"
# Topics of the broker itself, and of shared subscriptions.
_RESERVED = "$"


_COSMIC = "EVENTINDEX_MQTT_TOPIC_COSMIC"


def check_topic_prefixes(prefixes: Mapping[str, str]) -> None:
    """Refuse prefixes that cannot be subscribed below or of which two claim the same topic.

    Args:
        prefixes: by the variables that have them; that of telescopes is of topics
            `<prefix>/<detector>/event`, the others of topics `<prefix>/<source>`.

    Raises:
        ValueError: names the variable and its value.
    """
    for name, prefix in prefixes.items():
        problem = _problem(prefix)
        if problem:
            raise ValueError(f"{name}={prefix!r} {problem}")
    _check_different(prefixes)
    for name, prefix in prefixes.items():
        parent, _, level = prefix.rpartition("/")
        if parent == prefixes[_COSMIC]:
            raise ValueError(
                f"{name}={prefix!r} lies one level below {_COSMIC}={parent!r}: "
                f"{prefix}/event would be a message of detector {level!r} too"
            )


def _problem(prefix: str) -> str | None:
    levels = prefix.split("/")
    if not prefix:
        return "is empty"
    if any(character in prefix for character in _WILDCARDS):
        return "holds a wildcard (+ or #)"
    if _RESERVED in prefix:
        return "holds a $, which brokers keep for topics of their own"
    if not prefix.isprintable():
        return "holds a control character"
    if "" in levels:
        return "has an empty level: a slash at its begin or end, or two in a row"
    spaced = any(level != level.strip() for level in levels)
    return "has a level with a space around it" if spaced else None


def _check_different(prefixes: Mapping[str, str]) -> None:
    names: dict[str, str] = {}
    for name, prefix in prefixes.items():
        other = names.setdefault(prefix, name)
        if other != name:
            raise ValueError(f"{other} and {name} are both {prefix!r}: the topic decides")
