"""The services of the project as child processes, and the servers beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.support import warm_start
from tests.support.ports import free_port
from tests.support.servers import (
    POSTGRES_BIN_PATH,
    START_TIMEOUT_S,
    Mosquitto,
    PostgresServer,
    server_directory,
    server_user,
    wait_until,
)

__all__ = [
    "OPENER",
    "POSTGRES_BIN_PATH",
    "START_TIMEOUT_S",
    "Mosquitto",
    "PostgresServer",
    "Service",
    "run_python",
    "server_directory",
    "server_user",
    "wait_until",
]

# Whatever http_proxy says: the pages are this machine's.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Children are started while gRPC's threads run: its fork handlers would end them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


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
        return self.log.read_text()[-20_000:]


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
