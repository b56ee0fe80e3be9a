"""The whole run: says why where it cannot be, prepares with a network, goes on without one.

What the machine does not give (rights, disk, packages, a Docker that starts) skips it, with the
reason; what the stack does wrong is a failure.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.containers import inside, prepare
from tests.containers.engine import NO_DOCKER
from tests.faults.scenario import SkippedError

PROGRAMS = ("dockerd", "docker", "debootstrap", "iptables", "unshare")
INSTALL = "apt-get install --no-install-recommends docker.io iptables debootstrap"
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# What a Docker needs of its namespaces: mounts, a bridge, address translation.
PROBE = (
    "mount --make-rshared / && ip link set lo up && ip link add probe0 type bridge "
    "&& iptables --table nat --list --numeric"
)
DISK_BYTES_MIN = 8_000_000_000


def why_not() -> str | None:
    """What keeps the containers from being run here, None where nothing does."""
    if os.geteuid() != 0:
        return "only root may start a Docker of its own"
    if not Path("/etc/debian_version").exists() or platform.machine() != "x86_64":
        return "the base images are made of Debian's packages for x86_64"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} missing: {INSTALL}"
    # The namespaces of some sandboxes are not to be had, or are without rights.
    probe = [*NAMESPACES, "sh", "-c", PROBE]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"no rights for a Docker here: {tried.stderr.strip()}" if tried.returncode else None


def run(work: Path) -> int:
    """Prepare, then run everything else in namespaces that end with their first process.

    Raises:
        SkippedError: this machine lacks something.
    """
    if shutil.disk_usage(work).free < DISK_BYTES_MIN:
        raise SkippedError(f"less than {DISK_BYTES_MIN / 1e9:.0f} GB are free in {work}")
    began = time.monotonic()
    _inside(work, "--probe")
    try:
        prepare.everything(work)
    except subprocess.CalledProcessError as error:
        raise SkippedError(f"packages could not be had: {error}") from error
    print(f"[{time.monotonic() - began:4.0f} s] prepared; no network from here on", flush=True)
    code = _inside(work)
    print(f"[{time.monotonic() - began:4.0f} s] exit code {code}")
    return code


def _inside(work: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", inside.__name__, str(work), *arguments]
    code = subprocess.run([*NAMESPACES, *command], check=False).returncode
    if code == NO_DOCKER:
        raise SkippedError("Docker does not run here, see above")
    return code


def main() -> int:
    """Run and clean up; 0 also where it is skipped, with the reason."""
    parser = argparse.ArgumentParser("make test-containers", description=__doc__)
    parser.add_argument(
        "--work",
        type=Path,
        help="keep all but the containers in this directory, and use what is there",
    )
    kept = parser.parse_args().work
    if reason := why_not():
        print(f"make test-containers: skipped: {reason}")
        return 0
    work = (kept or Path("/var/tmp/eventindex-containers")).resolve()
    work.mkdir(mode=0o700, parents=True, exist_ok=kept is not None)
    try:
        return run(work)
    except SkippedError as reason:
        print(f"make test-containers: skipped: {reason}")
        return 0
    finally:
        if kept is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
