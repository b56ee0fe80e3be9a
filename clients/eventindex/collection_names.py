"""Names of collections, checked before they are sent. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

RAW = "raw"
# All that hold one of the runs that are asked.
ALL = "all"
# Of a telescope's collection: the detector's id follows as it is.
TELESCOPE_PREFIX = "cosmic."


def wire_name(collection: object) -> str:
    """Return a collection as a message carries it: nothing stands for "raw".

    Raises:
        ValueError: it is no text, or an empty one.
    """
    if not isinstance(collection, str) or not collection:
        raise ValueError(f"collection is {collection!r}, not a name")
    return "" if collection == RAW else collection


def chosen_name(collection: object, detector: str | int | None) -> str:
    """Return the collection that is asked: the given one, or that of a telescope.

    Raises:
        ValueError: both are given, or what should be a name is no text.
    """
    if detector is None:
        if not isinstance(collection, str):
            raise ValueError(f"collection is {collection!r}, not a name")
        return collection
    if collection not in ("", RAW):
        raise ValueError(f"give collection {collection!r} or detector {detector!r}, not both")
    return f"{TELESCOPE_PREFIX}{detector}"


def distinct_names(collections: Sequence[str]) -> list[str]:
    """Return names of collections, each once.

    Raises:
        ValueError: none, one that is no name, or the same twice; names it.
    """
    names = list(collections)
    if not names:
        raise ValueError("no collection is given")
    for place, name in enumerate(names):
        wire_name(name)
        if name in names[:place]:
            raise ValueError(f"collection {name!r} is there twice")
    return names
