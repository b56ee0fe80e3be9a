"""A real PgBouncer before the PostgreSQL of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import pytest

from tests.support.ports import free_port
from tests.support.processes import (
    PostgresServer,
    server_directory,
    server_user,
    wait_until,
)

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not on the PATH: install the package pgbouncer"
)


class PgBouncer:
    """A pooler in one mode, with its own settings as PgBouncer ships them."""

    def __init__(self, server: PostgresServer, mode: str, **more: object) -> None:
        self.directory = server_directory("pgbouncer")
        self.port = free_port()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            **more,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        target = f"* = host=127.0.0.1 port={server.port} user=owner"
        file = self.directory / "pgbouncer.ini"
        file.write_text("\n".join(["[databases]", target, "[pgbouncer]", *lines, ""]))
        file.chmod(0o644)
        self._log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            [PROGRAM, file],
            stdout=self._log,
            stderr=self._log,
            user=server_user(),
            start_new_session=True,
        )
        wait_until(self._listens, what="PgBouncer")

    def url(self, database_url: str) -> str:
        """The URL of a database through the pooler."""
        return f"postgresql://owner@127.0.0.1:{self.port}/{database_url.rpartition('/')[2]}"

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text()[-2000:])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def close(self) -> None:
        """End it and the sessions that it holds."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
