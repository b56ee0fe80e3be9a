"""A Docker of its own in this process' namespaces, and images under the names of upstream."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.containers.prepare import BRIDGE, ROOT, WHEELS_PORT
from tests.support.processes import wait_until

# What upstream images run; a folder for each Dockerfile.
_FILES = Path(__file__).parent / "images"
_BASE = "eventindex-test/base"
_SERVERS = "eventindex-test/servers"
# Exit code where no Docker can be had.
NO_DOCKER = 77
_START_S_MAX = 120
# One that copies every layer whole would take hours and all of the disk.
_DRIVERS = ("overlay2", "overlayfs", "btrfs", "zfs")


class NoDockerError(Exception):
    """No Docker runs here, for the reason that the text tells."""


@contextlib.contextmanager
def docker(work: Path) -> Iterator[None]:
    """Run dockerd with everything in `work`."""
    for command in (
        ["ip", "link", "set", "lo", "up"],
        # A mount of the whole machine, as node_exporter has it, wants to follow later ones.
        ["mount", "--make-rshared", "/"],
    ):
        subprocess.run(command, check=True)
    state = work / "docker"
    state.mkdir(exist_ok=True)
    # Of a run that was killed: here that number may be another process.
    (state / "pid").unlink(missing_ok=True)
    address = f"unix://{state}/docker.sock"
    os.environ |= {"DOCKER_HOST": address, "DOCKER_CONFIG": str(work / "config")}
    with (work / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--data-root", state / "root", "--exec-root", state / "exec",
             "--pidfile", state / "pid", "--host", address],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait_for(daemon, Path(log.name))
            yield
        finally:
            daemon.terminate()
            daemon.wait(120)


@contextlib.contextmanager
def served_wheels(work: Path) -> Iterator[None]:
    """Serve the wheels where builds find them; the bridge is there once dockerd runs."""
    quiet = subprocess.DEVNULL
    server = [sys.executable, "-m", "http.server", str(WHEELS_PORT), "--bind", BRIDGE]
    process = subprocess.Popen(server, cwd=work / "wheels", stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(daemon: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> str:
        if daemon.poll() is not None:
            raise NoDockerError(f"dockerd ended: {log.read_text()[-2000:]}")
        asked = ["docker", "info", "--format", "{{.Driver}}"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()

    try:
        driver = wait_until(answers, _START_S_MAX, "answer of dockerd")
    except TimeoutError as error:
        raise NoDockerError(f"{error}: {log.read_text()[-2000:]}") from error
    if driver not in _DRIVERS:
        raise NoDockerError(f"its storage driver would be {driver}, none of {', '.join(_DRIVERS)}")


def try_a_container() -> None:
    """See that one can be started at all.

    Raises:
        NoDockerError: it cannot.
    """
    tried = subprocess.run(
        ["docker", "run", "--rm", _BASE, "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise NoDockerError(f"no container can be started: {tried.stderr[-2000:]}")


def make_images(work: Path, tags: dict[str, str]) -> None:
    """Make what docker-compose.yml would fetch; `tags` are its images by service."""
    _import(work / "base", _BASE)
    subprocess.run(["docker", "tag", _BASE, _python_image()], check=True)
    try_a_container()
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


def _python_image() -> str:
    """What our images are built on, without its digest."""
    (image,) = re.findall(
        "^ARG PYTHON_IMAGE=([^@\n]+)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE
    )
    return str(image)


def _import(tree: Path, tag: str) -> None:
    with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(
            ["docker", "import", "--change", 'CMD ["python3"]', "-", tag],
            stdin=packed.stdout,
            check=True,
            stdout=subprocess.DEVNULL,
        )
