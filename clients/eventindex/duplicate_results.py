"""Datasets that hold the same events, as values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventindex.pairs import Int64


class DatasetPair(NamedTuple):
    """Two datasets that hold the same events, and how many."""

    collection: str
    dsid_raw: int
    other_collection: str
    other_dsid_raw: int
    events: int


class DuplicateEvents(NamedTuple):
    """Events of one run that both datasets of a pair hold: int64, shape (n,), ascending.

    `pair.events` is n; a pair may come in several parts.
    """

    pair: DatasetPair
    run_number: int
    event_numbers: Int64
