"""Blocks of events on their way to the service: what is in flight, what was refused, how far.

Never reads a file itself and never decides what is a good event.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, TextIO

from eventindex.cli.event_files.rows import BadRow, EventBlock, RecordBlock
from eventindex.cli.shared.progress import ProgressReport
from eventindex.client import Client
from eventindex.values import Ack

_REFUSALS_SHOWN = 20

Block = EventBlock | RecordBlock


class Target(Protocol):
    """Where events go."""

    def events(self, blocks: Iterable[EventBlock]) -> Iterator[Ack]:
        """Yield an acknowledgement a block, in order."""
        ...

    def records(self, blocks: Iterable[RecordBlock]) -> Iterator[Ack]:
        """Yield an acknowledgement a block, in order."""
        ...


class ServiceTarget:
    """The ingest service."""

    def __init__(self, client: Client, detector: str, collection: str) -> None:
        self.client = client
        self._detector = detector
        self._collection = collection

    def events(self, blocks: Iterable[EventBlock]) -> Iterator[Ack]:
        """Store events."""
        return self.client.ingest(
            replace(block.columns, collection=self._collection) for block in blocks
        )

    def records(self, blocks: Iterable[RecordBlock]) -> Iterator[Ack]:
        """Store telescope records."""
        records = (block.records for block in blocks)
        return self.client.ingest_cosmic(records, detector_id=self._detector)


@dataclass(slots=True)
class Totals:
    """What became of the events of all files."""

    inserted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, ack: Ack) -> None:
        """Count the events of a block that were not refused."""
        self.inserted += ack.inserted
        self.duplicates += ack.duplicates
        self.conflicts += ack.conflicts

    def events(self) -> int:
        """Return how many events are done with."""
        return self.inserted + self.duplicates + self.conflicts + self.refused

    def rate_text(self) -> str:
        """Return the progress in words."""
        seconds = max(time.monotonic() - self.started, 1e-3)
        return f"{self.events():,} events, {self.events() / seconds:,.0f}/s"

    def text(self, *, dry_run: bool) -> str:
        """Return the outcome in words."""
        if dry_run:
            return f"dry run: {self.inserted:,} good, {self.refused:,} refused, nothing stored"
        return (
            f"{self.inserted:,} inserted, {self.duplicates:,} duplicates, "
            f"{self.conflicts:,} conflicts, {self.refused:,} refused"
        )


class Refusals:
    """Shows the first refused rows and writes all of them to a file, as JSON lines."""

    def __init__(self, totals: Totals, progress: ProgressReport, file: TextIO | None) -> None:
        self._totals = totals
        self._progress = progress
        self._file = file
        self._shown = 0
        # Both the reading thread and the one that takes acknowledgements report refused rows.
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Take no more: the thread that reads may outlive the load by a moment."""
        with self._lock:
            self._closed = True

    def add(self, path: str, bad: BadRow) -> None:
        """Count a refused row."""
        with self._lock:
            if not self._closed:
                self._add(path, bad)

    def _add(self, path: str, bad: BadRow) -> None:
        self._totals.refused += 1
        self._shown += 1
        if self._shown <= _REFUSALS_SHOWN:
            self._progress.line(f"eventindex: {path}: {bad.unit} {bad.line}: {bad.problem}")
        elif self._shown == _REFUSALS_SHOWN + 1:
            self._progress.line("eventindex: further refused rows are only counted")
        if self._file is not None:
            entry = {"file": path, "line": bad.line, "reason": bad.problem, "row": bad.row}
            self._file.write(json.dumps(entry, default=_as_json) + "\n")

    def tell(self, text: str) -> None:
        """Print a line that is no refusal of a row."""
        self._progress.line(f"eventindex: {text}")

    def add_unnamed(self, path: str, count: int) -> None:
        """Count rows that the service refused without saying which."""
        with self._lock:
            self._totals.refused += count
        self._progress.line(f"eventindex: {path}: {count:,} more refused, the service names no row")


@dataclass(slots=True)
class FileLoad:
    """One file on its way."""

    path: str
    totals: Totals
    refusals: Refusals
    in_flight: deque[tuple[Block, int]] = field(default_factory=deque)
    bytes_done: int = 0
    named_otherwise: bool = False

    def acknowledge(self, ack: Ack) -> None:
        """Settle the oldest block in flight."""
        block, self.bytes_done = self.in_flight.popleft()
        self.totals.add(ack)
        if ack.refused_files and not self.named_otherwise:
            self.named_otherwise = True
            self.refusals.tell(f"{self.path}: another name or size is noted of it, which stays")
        for rejection in ack.rejections:
            index = rejection.index
            bad = BadRow(int(block.lines[index]), rejection.reason, block.row(index), block.unit)
            self.refusals.add(self.path, bad)
        # A server may count more refusals than it names.
        if ack.rejected > len(ack.rejections):
            self.refusals.add_unnamed(self.path, ack.rejected - len(ack.rejections))

    def report(self, bad: BadRow) -> None:
        """Count a row that was refused here."""
        self.refusals.add(self.path, bad)


def _as_json(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
