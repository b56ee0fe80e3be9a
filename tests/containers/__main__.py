"""The whole run: says why where it cannot be, prepares with a network, goes on without one."""

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

PROGRAMS = ("dockerd", "docker", "debootstrap", "iptables", "unshare")
INSTALL = "apt-get install --no-install-recommends docker.io iptables debootstrap"


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
    # The namespaces of some sandboxes are not to be had.
    probe = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


def run(work: Path) -> int:
    """Prepare, then run everything else in namespaces that end with their first process."""
    began = time.monotonic()
    prepare.everything(work)
    print(f"[{time.monotonic() - began:4.0f} s] prepared; no network from here on", flush=True)
    command = [sys.executable, "-m", inside.__name__, str(work)]
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    code = subprocess.run([*namespaces, *command], check=False).returncode
    print(f"[{time.monotonic() - began:4.0f} s] exit code {code}")
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
    finally:
        if kept is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
