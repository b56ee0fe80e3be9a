"""The unprivileged user that PostgreSQL and the broker run as when the stack is started by root.

PostgreSQL refuses root. Never changes the mode of a directory that it did not make.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

_NAMES = ("postgres", "nobody")
_FIRST_CLOSED = 'for d do test -x "$d" || { printf %s "$d"; exit; }; done'


class ProcessIdentity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine; `uid` is None for the one who started the stack."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def identity(self) -> ProcessIdentity:
        """Return arguments for `subprocess.Popen` to run as this user."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or directory to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def make_directory(self, path: Path) -> Path:
        """Make a directory that this user alone can enter, if it is not there."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.own(path)
        return path

    def first_closed(self, path: Path) -> Path | None:
        """Return the topmost directory of `path`, itself included, that this user cannot enter."""
        if self.uid is None:
            return None
        way = [str(step) for step in (*reversed(path.parents), path)]
        done = subprocess.run(  # noqa: S603  # the user must be the one who tries
            ["/bin/sh", "-c", _FIRST_CLOSED, "sh", *way],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            **self.identity(),
        )
        return Path(done.stdout) if done.stdout else None


def unprivileged_account() -> Account:
    """Return the user who started the stack, or when that is root `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return Account("you")
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    return Account("nobody", 65534, 65534)
