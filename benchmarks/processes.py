"""The processes under measurement: the project as `eventindex up` runs it, an index service more.

Each is ended by its own id.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.services import service_problem

# Whatever http_proxy says: the pages are this machine's.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60
EVENTINDEX = Path(sys.executable).parent / "eventindex"

# A thousand callers of one machine are one to the services.
CALLERS_MAX = 2_000


@dataclass(frozen=True)
class Stack:
    """Addresses and process ids of a running `eventindex up`."""

    index: str
    ingest: str
    http: str
    index_metrics: str
    database: str
    mqtt: str
    pids: dict[str, int]


@dataclass(frozen=True)
class IndexService:
    """An index service of its own on the database of a stack."""

    index: str
    index_metrics: str
    pid: int


@contextlib.contextmanager
def data_directory() -> Iterator[Path]:
    """Make a directory that PostgreSQL may enter, and remove it at the end."""
    root = Path(tempfile.mkdtemp(prefix="eventindex-bench-"))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def stack(root: Path, **settings: object) -> Iterator[Stack]:
    """Run `eventindex up` on a data directory in `root`, on free ports."""
    endpoints = root / "data" / "endpoints.json"
    command: list[str | Path] = [EVENTINDEX, "up", "--data-dir", root / "data"]
    with _process(command, root / "up.log", settings, signal.SIGINT) as process:
        _wait(process, endpoints.exists, root / "up.log")
        found = json.loads(endpoints.read_text())
        yield Stack(**{name: found[name] for name in Stack.__dataclass_fields__})


@contextlib.contextmanager
def index_service(
    database: str, directory: Path, *, cache_bytes_max: int | None = None, workers: int = 1
) -> Iterator[IndexService]:
    """Run an index service with an empty cache; its log is in `directory`.

    With a bound on its cache it has so many workers: a client sticks to one of them, and workers
    share the bound.
    """
    address, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    settings: dict[str, object] = {
        "database_url": database,
        "index_address": address,
        "index_metrics_address": metrics,
        "calls_per_subject_max": CALLERS_MAX,
    }
    if cache_bytes_max is not None:
        settings |= {"cache_bytes_max": cache_bytes_max, "index_workers": workers}
    log = directory / f"index-{address.rpartition(':')[2]}.log"
    problem = service_problem(address, metrics)
    command: list[str | Path] = [sys.executable, "-P", "-m", "index_service"]
    with _process(command, log, settings, signal.SIGTERM) as process:
        _wait(process, lambda: problem() is None, log)
        yield IndexService(address, f"http://{metrics}/metrics", process.pid)


@contextlib.contextmanager
def _process(
    command: Sequence[str | Path], log: Path, settings: dict[str, object], end: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
    environment |= {f"EVENTINDEX_{k.upper()}": str(v) for k, v in settings.items()}
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=environment, cwd=log.parent
        )
    try:
        yield process
    finally:
        process.send_signal(end)
        process.wait(STOP_TIMEOUT_S)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.02)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metric(url: str, name: str) -> float:
    """Return a metric of a service, summed over its labels."""
    with OPENER.open(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return sum(float(value) for key, _, value in samples if key.partition("{")[0] == name)
