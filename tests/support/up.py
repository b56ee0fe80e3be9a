"""What the tests of `eventindex up` share: a run of it, its data and its children."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2

from tests.support.processes import OPENER

LIMIT_S = 60.0
INSERT = "INSERT INTO kept VALUES (4917)"


# What the command `eventindex` is.
_UP = "from eventindex.cli import main; main()"


class Up:
    """One `eventindex up` on a data directory."""

    def __init__(
        self, data: Path, *arguments: str, stdout: int | None = None, **environment: str
    ) -> None:
        self.data = data
        self.output = data.parent / f"up-{time.monotonic_ns()}.txt"
        kept = {n: v for n, v in os.environ.items() if not n.startswith("EVENTINDEX_")}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _UP, "up", "--data-dir", str(data), *arguments],
                env={**kept, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=subprocess.STDOUT,
                cwd=data.parent,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def endpoints(self) -> dict:
        """Wait for endpoints.json of this process, and read it."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            with contextlib.suppress(FileNotFoundError):
                endpoints = json.loads((self.data / "endpoints.json").read_text())
                if endpoints["pids"]["up"] == self.process.pid:
                    return endpoints
            assert self.process.poll() is None, self.text
            time.sleep(0.02)
        raise AssertionError(self.text)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)

    def kill(self, *, with_children: bool) -> list[psutil.Process]:
        """Kill -9 of `up`, or of everything it started. Returns the children."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(LIMIT_S)
        if with_children:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, timeout=LIMIT_S)
        return children


def query(endpoints: dict, sql: str) -> list[tuple]:
    with contextlib.closing(psycopg2.connect(endpoints["database"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def open_page(url: str) -> str:
    with OPENER.open(url, timeout=5) as page:
        return page.read().decode()


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_gone(pids: dict) -> None:
    assert [name for name, pid in pids.items() if is_running(pid)] == []
