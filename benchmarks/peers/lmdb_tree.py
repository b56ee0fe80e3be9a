"""Peer: LMDB in this process, keys of 16 bytes in numeric order, `getmulti` of one cursor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lmdb
import numpy as np

from benchmarks.peers.base import Answer, FileNumbers
from benchmarks.workload import Batch
from event_store.model import EventColumns, Int64

_KEY = np.dtype([("run", ">u8"), ("event", ">u8")])
_VALUE = np.dtype([("file", "<i4"), ("olt", "<u8")])
_MAP_BYTES = 64 << 30


class Lmdb:
    """A B+ tree in a memory-mapped file; file numbers instead of ids."""

    name = "LMDB"
    pairs_max = 100_000

    def __init__(self, directory: Path) -> None:
        self._path = directory / "events.lmdb"
        self._files = FileNumbers()
        self._environment = lmdb.open(str(self._path), map_size=_MAP_BYTES, subdir=False)

    def load(self, batch: EventColumns) -> None:
        """Append a batch, whose keys come in ascending order, in a transaction of its own."""
        values = np.empty(len(batch), _VALUE)
        values["file"], values["olt"] = self._files.of(batch), batch.olt
        items = zip(
            _keys(batch.runs, batch.events),
            values.view(f"V{_VALUE.itemsize}").tolist(),
            strict=True,
        )
        with self._environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(items, append=True)

    def settle(self) -> None:
        """Do nothing: a commit has written everything."""

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look batches up with one cursor in one snapshot."""
        with self._environment.begin(buffers=False) as snapshot, snapshot.cursor() as cursor:
            return [self._get(cursor, batch) for batch in batches]

    def _get(self, cursor: lmdb.Cursor, batch: Batch) -> Answer:
        keys = _keys(batch.runs, batch.events)
        found = cursor.getmulti(keys)
        if len(found) < len(keys):
            there = dict(found)
            found = [(key, there.get(key, bytes(_VALUE.itemsize))) for key in keys]
        numbers = np.frombuffer(b"".join([value for _, value in found]), _VALUE)["file"]
        return lambda: self._files.fuids(numbers)

    def bytes(self) -> int:
        """Return disk of the pages in use."""
        return int(self._path.stat().st_blocks * 512)

    def close(self) -> None:
        """Close the file."""
        self._environment.close()


def _keys(runs: Int64, events: Int64) -> list[bytes]:
    keys = np.empty(len(runs), _KEY)
    keys["run"], keys["event"] = runs, events
    packed: list[bytes] = keys.view(f"V{_KEY.itemsize}").tolist()
    return packed
