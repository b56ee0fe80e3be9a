"""The data directory of the stack: what lies where, and the lock that lets one stack use it.

    database_password   made once; mode 600
    broker_password     likewise
    mqtt/               user and password for mosquitto_pub and its like; mode 700
    postgres/           PostgreSQL's data
    broker/             the broker's configuration, messages and sessions
    logs/               one log a child; the one of the last start ends in .1
    children.json       the processes of the running stack, to find them after a kill -9
    endpoints.json      the addresses, while everything answers
    ports.json          what stood in for ports that were taken, for the next start
    servers             names the directory of the first three, where that is another

Never removes data.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_stack.account import Account
from local_stack.errors import StackError

_ELSEWHERE = Path("/var/lib/eventindex")


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths of one stack. `servers` is `root`, unless the servers' user cannot enter that."""

    root: Path
    servers: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.servers / "postgres"

    @property
    def password(self) -> Path:
        """The password of the database owner."""
        return self.servers / "database_password"

    @property
    def broker_password(self) -> Path:
        """The password of the broker's user."""
        return self.root / "broker_password"

    @property
    def mqtt_clients(self) -> Path:
        """What programs of Mosquitto read as their configuration."""
        return self.root / "mqtt"

    @property
    def broker(self) -> Path:
        """The broker's configuration and persistence."""
        return self.servers / "broker"

    @property
    def logs(self) -> Path:
        """The logs of the children."""
        return self.root / "logs"

    @property
    def children(self) -> Path:
        """The record of running children."""
        return self.root / "children.json"

    @property
    def endpoints(self) -> Path:
        """The addresses of the running stack."""
        return self.root / "endpoints.json"

    @property
    def ports(self) -> Path:
        """The ports of the last start, by the usual ones."""
        return self.root / "ports.json"

    def last_ports(self) -> dict[int, int]:
        """Return the ports of the last start; none where nobody can tell."""
        try:
            found = json.loads(self.ports.read_text())
            return {int(usual): int(port) for usual, port in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


@contextlib.contextmanager
def opened_data_dir(path: Path, account: Account, *, asked: bool) -> Iterator[DataDir]:
    """Make the directory if it is missing, and hold its lock.

    Args:
        path: the data directory.
        account: the user of PostgreSQL and the broker.
        asked: whether somebody named this directory; it is then not replaced.

    Raises:
        StackError: it cannot be made or entered, or another stack uses it.
    """
    root = path.absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = (root / "lock").open("a+")
    except OSError as error:
        raise StackError(
            f"cannot use the data directory {root}: {error.strerror}; "
            "set EVENTINDEX_DATA_DIR to another"
        ) from error
    with lock:
        _take_lock(lock.fileno(), root)
        closed = account.first_closed(root)
        if closed is None:
            yield DataDir(root, root)
        elif asked:
            raise StackError(
                f"user {account.name}, whom PostgreSQL and the broker run as when you are root, "
                f"cannot enter {closed}: set EVENTINDEX_DATA_DIR to a directory that this user "
                f"can enter, or run `chmod o+x {closed}`"
            )
        else:
            yield DataDir(root, _directory_elsewhere(root))


def write_json(path: Path, value: object) -> None:
    """Replace a file that its owner alone can read; a reader sees the old or the new text whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
    Path(name).replace(path)


def _take_lock(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StackError(f"another `eventindex up` uses {root}: stop it first") from error


def _directory_elsewhere(root: Path) -> Path:
    """Return a directory for the servers outside `root`, the same at every start.

    A checkout in root's home is a usual place, and nobody else can enter it.
    """
    name = root / "servers"
    try:
        if not name.exists():
            _ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=_ELSEWHERE))
            made.chmod(0o755)
            name.write_text(f"{made}\n")
        servers = Path(name.read_text().strip())
        servers.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise StackError(f"cannot make {error.filename}: set EVENTINDEX_DATA_DIR") from error
    return servers
