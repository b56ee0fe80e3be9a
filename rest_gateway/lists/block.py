"""What a list of pairs is read into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eventindex.pairs import Pairs

PairError = dict[str, Any]


@dataclass(slots=True)
class ListBlock:
    """Some consecutive pairs of a list, and what stood among them that is none."""

    pairs: Pairs
    errors: list[PairError] = field(default_factory=list)
