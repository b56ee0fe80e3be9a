"""Whether a file is another one than before: written, or another in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

State: TypeAlias = tuple[int, int, int]


def file_state(path: Path) -> State:
    """Return what changes with the file.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
