"""Where the pairs of a list stand in it. Pure."""

from __future__ import annotations

import hashlib

import numpy as np

from eventindex.pairs import Int64, Pairs


class PairPlaces:
    """The distinct pairs of a list; the place of a pair is that of its first mention among them.

    Attributes:
        pairs: the distinct pairs, in the order of the list.
    """

    def __init__(self, pairs: Pairs) -> None:
        order = np.lexsort((pairs.events, pairs.runs))
        runs, events = pairs.runs[order], pairs.events[order]
        new = np.ones(len(order), bool)
        new[1:] = (runs[1:] != runs[:-1]) | (events[1:] != events[:-1])
        # lexsort is stable: the first of equal pairs is the first in the list.
        first = np.sort(order[new])
        self.pairs = Pairs(pairs.runs[first], pairs.events[first])
        self._events = events[new]
        self._places = np.searchsorted(first, order[new])
        self._runs, self._starts = np.unique(runs[new], return_index=True)
        self._ends = np.append(self._starts[1:], len(self._events))

    def __len__(self) -> int:
        return len(self._events)

    def find(self, runs: Int64, events: Int64) -> Int64:
        """Return the place of each pair, int64, shape (n,); -1 for pairs that are not in the list.

        Args:
            runs: shape (n,), or (1,) for one run of all.
            events: shape (n,).
        """
        found = np.full(len(events), -1, np.int64)
        for run in np.intersect1d(runs, self._runs).tolist():
            place = int(np.searchsorted(self._runs, run))
            part = slice(int(self._starts[place]), int(self._ends[place]))
            at = np.arange(len(events)) if len(runs) == 1 else np.flatnonzero(runs == run)
            wanted, asked = self._events[part], events[at]
            index = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
            hit = wanted[index] == asked
            found[at[hit]] = self._places[part][index[hit]]
        return found

    def at(self, places: Int64) -> PairPlaces:
        """Return the list of the pairs at some places."""
        return PairPlaces(Pairs(self.pairs.runs[places], self.pairs.events[places]))

    def digest(self) -> str:
        """Return what tells this set of pairs from another, whatever their order."""
        content = b"".join(part.tobytes() for part in (self._runs, self._starts, self._events))
        return hashlib.sha256(content).hexdigest()
