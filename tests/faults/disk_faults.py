"""Faults of the disk under PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from event_store.database.migrate import migrate
from tests.conftest import query
from tests.faults.bench import Bench
from tests.faults.database_faults import under_load
from tests.faults.scenario import SkippedError, scenario
from tests.support.processes import PostgresServer, server_directory, server_user, wait_until

_DISK_MB = 256
_DISK_LEFT_MB = 2
_SMALL_WAL = {"max_wal_size": "64MB", "min_wal_size": "32MB"}
_NO_SPACE = "No space left on device"


@contextlib.contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of its own, which can be full."""
    directory = server_directory("disk")
    try:
        if os.geteuid() != 0:
            raise SkippedError("only root may mount a small file system")
        options = f"size={_DISK_MB}m,mode=0755"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SkippedError(f"no small file system can be mounted: {done.stderr.strip()}")
        try:
            user = server_user()
            assert user
            shutil.chown(directory, user)
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)
    finally:
        directory.rmdir()


def _fill(directory: Path) -> Path:
    """Leave a few megabytes of a file system."""
    ballast = directory / "ballast"
    free = shutil.disk_usage(directory).free - (_DISK_LEFT_MB << 20)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free, 1))
    return ballast


@scenario(
    "the disk of PostgreSQL is full",
    f"a file system of {_DISK_MB} MB with WAL and tables is filled up (ENOSPC); then there is room",
    times=3,
)
def disk_full(bench: Bench, times: int) -> float:
    """PostgreSQL refuses, or ends itself when its log cannot be written; nothing is half done."""
    longest = 0.0
    with _small_disk() as directory, contextlib.ExitStack() as stack:
        server = PostgresServer(directory, durable=True)
        stack.callback(server.kill)
        server.start(**_SMALL_WAL)
        migrate(server.url())
        proxy = bench.proxy(server.port)
        bench.use_database(server.url(), f"127.0.0.1:{proxy.port}")
        ingest, _ = under_load(bench)
        bench.grpc(ingest, 20_000, batch=5_000)
        for _ in range(times):
            refused = server.log_text().count(_NO_SPACE)
            ballast = _fill(directory)
            wait_until(lambda n=refused: _full(server, n), 120, "a full disk")
            bench.between(1, 2)
            ballast.unlink()
            wait_until(lambda: _revived(bench, server), 60, "PostgreSQL")
            longest = max(longest, bench.goes_on())
        bench.verdict()
    return longest


def _full(server: PostgresServer, refused: int) -> bool:
    # Files of the log that wait to be used again would do for a long time.
    with contextlib.suppress(psycopg2.Error):
        query(server.url(), "SELECT pg_switch_wal()")
    return not server.running or server.log_text().count(_NO_SPACE) > refused


def _revived(bench: Bench, server: PostgresServer) -> bool:
    """Whether the database answers; started where it has ended itself."""
    if not server.running:
        server.start(**_SMALL_WAL)
    return bench.stored() >= 0
