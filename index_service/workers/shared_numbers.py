"""Named numbers in memory that two processes share: a worker writes them, the supervisor reads.

The memory has no name in any directory: nothing removes, truncates or fills it, and it outlives
the worker, however that ends. Knows nothing of metrics.

Its words have 8 bytes each. The first one says how many are used. Then for each number: the size of
its name in bytes, the name in as many words as it takes, the value.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple, Self

# Each name that index_service can have takes about 250 bytes; there are some thousands at most.
MEMORY_BYTES = 2 * 1024 * 1024
_WORD = 8


class Number(NamedTuple):
    """A number, and the word that holds it."""

    name: str
    value: float
    place: int


class SharedNumbers:
    """The numbers of one worker, over all processes that are that worker one after the other."""

    def __init__(self, file: int) -> None:
        """Open the memory behind a file descriptor that `make` gave."""
        self.file = file
        self._bytes = mmap.mmap(file, MEMORY_BYTES)
        whole = memoryview(self._bytes)
        self._words, self._values = whole.cast("q"), whole.cast("d")
        self._places = {number.name: number.place for number in self}

    @classmethod
    def make(cls) -> Self:
        """Return new memory without a number.

        Raises:
            OSError: there is no room for it.
        """
        file = _nameless_file()
        # Written, not only sized: memory that is not there would be missed when it is needed.
        if os.write(file, bytes(MEMORY_BYTES)) < MEMORY_BYTES:
            raise OSError(f"no room for {MEMORY_BYTES} bytes of metrics")
        return cls(file)

    def place(self, name: str) -> int | None:
        """Return where the number of a name is, 0.0 at first; None where no room is left."""
        if name not in self._places:
            text = name.encode()
            words = -(-len(text) // _WORD)
            used = max(int(self._words[0]), 1)
            if (used + words + 2) * _WORD > MEMORY_BYTES:
                return None
            self._words[used] = len(text)
            self._bytes[(used + 1) * _WORD : (used + 1) * _WORD + len(text)] = text
            self._places[name] = used + words + 1
            self._values[self._places[name]] = 0.0
            # Last of all: what a worker did not finish when it was killed does not count.
            self._words[0] = used + words + 2
        return self._places[name]

    def __getitem__(self, place: int) -> float:
        return float(self._values[place])

    def __setitem__(self, place: int, value: float) -> None:
        self._values[place] = value

    def __iter__(self) -> Iterator[Number]:
        at, used = 1, int(self._words[0])
        while at < used:
            size, begin = int(self._words[at]), (at + 1) * _WORD
            at += 1 + -(-size // _WORD)
            yield Number(self._bytes[begin : begin + size].decode(), float(self._values[at]), at)
            at += 1


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("eventindex-metrics")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
