"""Peer: Redis in a process of its own, a hash a run, HMGET over a Unix socket.

Data is in memory alone: nothing is written to disk. Only where redis-server is on the PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import redis

from benchmarks.peers.base import Answer, FileNumbers
from benchmarks.workload import Batch
from event_store.model import EventColumns

_VALUE = np.dtype([("file", "<i4"), ("olt", "<u8")])
_FIELDS_A_COMMAND = 10_000
_START_TIMEOUT_S = 10


class Redis:
    """Hashes of events by run; file numbers instead of ids."""

    name = "Redis"
    pairs_max = 100_000

    def __init__(self, directory: Path) -> None:
        socket = directory / "redis.sock"
        # Port 0: the socket alone.
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
        with (directory / "redis.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
        self._redis = redis.Redis(unix_socket_path=str(socket))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not socket.exists():
            if time.monotonic() > deadline:
                raise RuntimeError((directory / "redis.log").read_text())
            time.sleep(0.02)
        self._files = FileNumbers()
        self._empty = self._used()

    @staticmethod
    def available() -> bool:
        """Return whether redis-server is on the PATH."""
        return shutil.which("redis-server") is not None

    def load(self, batch: EventColumns) -> None:
        """Set the fields of a run in a pipeline."""
        values = np.empty(len(batch), _VALUE)
        values["file"], values["olt"] = self._files.of(batch), batch.olt
        packed = values.view(f"V{_VALUE.itemsize}").tolist()
        fields: list[bytes | str] = [b""] * (2 * len(batch))
        fields[::2], fields[1::2] = list(map(str, batch.events.tolist())), packed
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, len(fields), 2 * _FIELDS_A_COMMAND):
            part = fields[start : start + 2 * _FIELDS_A_COMMAND]
            pipeline.execute_command("HSET", int(batch.runs[0]), *part)
        pipeline.execute()

    def settle(self) -> None:
        """Do nothing: there is no disk."""

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Ask for the fields of each run of a batch, all runs in one pipeline."""
        return [self._hmget(batch) for batch in batches]

    def _hmget(self, batch: Batch) -> Answer:
        order = np.argsort(batch.runs, kind="stable")
        runs, starts = np.unique(batch.runs[order], return_index=True)
        pipeline = self._redis.pipeline(transaction=False)
        for run, part in zip(runs.tolist(), np.split(batch.events[order], starts[1:]), strict=True):
            pipeline.execute_command("HMGET", run, *map(str, part.tolist()))
        absent = bytes(_VALUE.itemsize)
        found = [value or absent for values in pipeline.execute() for value in values]
        numbers = np.empty(len(order), np.int32)
        numbers[order] = np.frombuffer(b"".join(found), _VALUE)["file"]
        return lambda: self._files.fuids(numbers)

    def bytes(self) -> int:
        """Return memory of the data."""
        return self._used() - self._empty

    def _used(self) -> int:
        return int(self._redis.info("memory")["used_memory"])

    def close(self) -> None:
        """End the server."""
        self._redis.close()
        self._process.terminate()
        self._process.wait(_START_TIMEOUT_S)
