"""The files that a stream of lookups has sent: each once, numbered from 1. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from event_store.lookup.batch import Answer, Asked
from index_service.lookup_reply import encode_lookup

UInt32: TypeAlias = npt.NDArray[np.uint32]

# The contract names it: at so many files the list begins again.
STREAM_FILES_MAX = 100_000


class Answered(NamedTuple):
    """The answer to a batch that asked for `files_of_stream`, to be encoded in its turn."""

    asked: Asked
    answer: Answer[bytes]


class StreamFiles:
    """One list of encoded files, which grows with the answers of a stream.

    Answers must come in the order in which they are sent.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def encode(self, answered: bytes | Answered) -> bytes:
        """Return the response; one that is encoded already has a list of its own."""
        if isinstance(answered, bytes):
            return answered
        asked, answer = answered
        first, new, numbers = self._number(answer.files)
        own = replace(answer, files=new, file_indexes=numbers.take(answer.file_indexes))
        return encode_lookup(asked, own, first)

    def _number(self, files: Sequence[bytes]) -> tuple[int, list[bytes], UInt32]:
        """Return the number of the first new file, the new files, and the number of each from 1."""
        known = self._numbers
        new = [file for file in files if file not in known]
        if len(known) + len(new) > STREAM_FILES_MAX:
            known.clear()
            new = list(files)
        first = len(known) + 1
        known.update(zip(new, range(first, first + len(new)), strict=True))
        return first, new, np.array([0, *map(known.__getitem__, files)], np.uint32)
