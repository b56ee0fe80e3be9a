"""Lists of what an index should hold: written by `generate`, read by `compare`.

A list has files (fuid_raw, dsid_raw, run_number, events, and file_name where they have names) and
datasets (dsid_raw, events): as JSON an object with `files` and `datasets`, as CSV rows, those of
datasets without a fuid_raw. `files import` reads the names.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np

from eventindex.columns import EventColumns
from eventindex.values import RawFile

_COLUMNS = ("fuid_raw", "dsid_raw", "run_number", "events")


class Manifest:
    """Counts the events of each file and dataset. Memory grows with the number of files."""

    def __init__(self) -> None:
        self._events: Counter[tuple[RawFile, int]] = Counter()

    def add(self, block: EventColumns) -> None:
        """Count the events of a block of one run."""
        counts = np.bincount(np.asarray(block.file_indexes), minlength=len(block.files) + 1)[1:]
        runs = np.asarray(block.run_numbers)
        for file, count in zip(block.files, counts.tolist(), strict=True):
            self._events[file, int(runs[0])] += count

    def write(self, path: Path) -> None:
        """Write the list, as CSV where the name says so, else as JSON."""
        with path.open("w", encoding="utf-8", newline="") as out:
            if path.suffix.lower() == ".csv":
                writer = csv.writer(out, lineterminator="\n")
                named = any(file.name for file, _ in self._events)
                columns = [*_COLUMNS, "file_name"] if named else _COLUMNS
                writer.writerow(columns)
                for row in (*self._files(), *self._datasets()):
                    writer.writerow([row.get(column, "") for column in columns])
                return
            files = ",\n".join(map(json.dumps, self._files()))
            datasets = ",\n".join(map(json.dumps, self._datasets()))
            out.write(f'{{"files": [\n{files}\n], "datasets": [\n{datasets}\n]}}\n')

    def _files(self) -> list[dict[str, object]]:
        return [
            {
                "fuid_raw": file.fuid_raw,
                "dsid_raw": file.dsid_raw,
                "run_number": run,
                "events": events,
                **({"file_name": file.name} if file.name else {}),
            }
            for (file, run), events in self._events.items()
        ]

    def _datasets(self) -> list[dict[str, object]]:
        events: Counter[int] = Counter()
        for (file, _), count in self._events.items():
            events[file.dsid_raw] += count
        return [{"dsid_raw": dsid, "events": count} for dsid, count in sorted(events.items())]
