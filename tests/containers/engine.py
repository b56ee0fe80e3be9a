"""A Docker of its own in this process' namespaces, and images under the names of upstream."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.containers.prepare import BRIDGE, WHEELS_PORT
from tests.support.processes import wait_until

# What upstream images run; a folder for each Dockerfile.
_FILES = Path(__file__).parent / "images"
_PYTHON = "python:3.11.15-slim-trixie"
_SERVERS = "eventindex-test/servers"


@contextlib.contextmanager
def docker(work: Path) -> Iterator[None]:
    """Run dockerd with everything in `work`, and the wheels where its builds find them."""
    for command in (
        ["ip", "link", "set", "lo", "up"],
        # A mount of the whole machine, as node_exporter has it, wants to follow later ones.
        ["mount", "--make-rshared", "/"],
    ):
        subprocess.run(command, check=True)
    state = work / "docker"
    state.mkdir(exist_ok=True)
    address = f"unix://{state}/docker.sock"
    os.environ |= {"DOCKER_HOST": address, "DOCKER_CONFIG": str(work / "config")}
    with (work / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--data-root", state / "root", "--exec-root", state / "exec",
             "--pidfile", state / "pid", "--host", address],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_until(_answers, 60, f"dockerd: see {log.name}")
            server = [sys.executable, "-m", "http.server", str(WHEELS_PORT), "--bind", BRIDGE]
            wheels = subprocess.Popen(
                server,
                cwd=work / "wheels",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            yield
            wheels.terminate()
        finally:
            daemon.terminate()
            daemon.wait(120)


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def make_images(work: Path, tags: dict[str, str]) -> None:
    """Make what docker-compose.yml would fetch; `tags` are its images by service."""
    _import(work / "base", _PYTHON)
    _import(work / "servers", _SERVERS)
    for name in ("postgres", "mosquitto", "prometheus", "alertmanager", "node_exporter", "grafana"):
        began = time.monotonic()
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", tags[name], str(_FILES / name)],
            check=True,
            stdout=subprocess.DEVNULL,
            # BuildKit needs a component of its own in newer clients.
            env=os.environ | {"DOCKER_BUILDKIT": "0"},
        )
        print(f"  {tags[name]}: a substitute, {time.monotonic() - began:.0f} s", flush=True)


def _import(tree: Path, tag: str) -> None:
    with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(
            ["docker", "import", "--change", 'CMD ["python3"]', "-", tag],
            stdin=packed.stdout,
            check=True,
            stdout=subprocess.DEVNULL,
        )
