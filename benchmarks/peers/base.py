"""What the benchmark asks of every system, and the check of its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.results import WrongAnswerError
from benchmarks.workload import FUID, Batch, Fuids, true_fuids
from event_store.model import EventColumns

# What a lookup gave, in the form that its users work with; called, it is the file id of each pair.
# Zero bytes stand for a pair that was not found.
Answer: TypeAlias = Callable[[], Fuids]


class Peer(Protocol):
    """A system under measurement."""

    name: str
    # The largest batch that the measurement asks it for.
    pairs_max: int

    def load(self, batch: EventColumns) -> None:
        """Store a batch; when it returns, the batch is committed."""

    def settle(self) -> None:
        """Let statistics be made and pending pages be written, after loading."""

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look batches up, one after the other; an answer each."""

    def bytes(self) -> int:
        """Return disk, or memory where the system keeps its data there."""

    def close(self) -> None:
        """Free everything that it holds."""


class FileNumbers:
    """RAW files numbered from 1, for systems that store a number with each event.

    Their users keep the list of files beside: so does the benchmark, at no cost to them.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._fuids: Fuids = np.zeros(1, FUID)

    def of(self, batch: EventColumns) -> npt.NDArray[np.int32]:
        """Return the file number of each event; unknown files get the next ones."""
        known = len(self._numbers)
        numbers = [
            self._numbers.setdefault(file.fuid.bytes, len(self._numbers) + 1)
            for file in batch.files
        ]
        if len(self._numbers) > known:
            self._fuids = np.frombuffer(bytes(16) + b"".join(self._numbers), FUID)
        return np.array(numbers, np.int32)[batch.file_index]

    def fuids(self, numbers: npt.NDArray[np.integer]) -> Fuids:
        """Return the ids of files; 0 is no file."""
        fuids: Fuids = self._fuids[numbers]
        return fuids


def check(system: str, case: str, answers: Sequence[Answer], batches: Sequence[Batch]) -> None:
    """Compare every answer with the truth.

    Raises:
        WrongAnswerError: they differ.
    """
    if len(answers) != len(batches):
        raise WrongAnswerError(f"{system}, {case}: {len(answers)} answers to {len(batches)}")
    for answer, batch in zip(answers, batches, strict=True):
        found = answer()
        if found.tobytes() != batch.fuids.tobytes():
            wrong = int(np.argmax(found != batch.fuids)) if len(found) == len(batch.runs) else 0
            raise WrongAnswerError(
                f"{system}, {case}: run {batch.runs[wrong]} event {batch.events[wrong]} is "
                f"in {batch.fuids[wrong].tobytes().hex()}, not in what was answered"
            )


def as_batch(events: EventColumns) -> Batch:
    """Return stored events as pairs with their true files."""
    return Batch(events.runs, events.events, true_fuids(events))
