"""Files by what people write: paths, patterns, directories, addresses of remote storage.

The edge to file systems; opens no file.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from eventindex.file_names import name_problem
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.opening import guarded, is_address
from eventindex.root_files.waiting import within

SUFFIX = ".root"


def files_of_directory(directory: Path) -> list[str]:
    """Return the ROOT files below a directory, in the order of their names."""
    return [str(path) for path in sorted(directory.rglob(f"*{SUFFIX}")) if path.is_file()]


def files_of_address(address: str, seconds_max: float) -> list[str]:
    """Return what an address with a pattern (`*`) stands for; an address without one is itself.

    Raises:
        RootFileError: the storage does not answer, or nothing matches.
    """
    if "*" not in address:
        return [address]
    with guarded():
        found = within(seconds_max, lambda: _remote_glob(address))
    if not found:
        raise RootFileError("no file matches")
    return found


def expand(text: str, seconds_max: float) -> list[str]:
    """Return the ROOT files that a path, pattern, directory or address stands for.

    Raises:
        RootFileError: nothing is there.
    """
    if is_address(text):
        return files_of_address(text, seconds_max)
    path = Path(text)
    if path.is_dir():
        found = files_of_directory(path)
    elif path.exists():
        return [text]
    elif glob.has_magic(text):
        found = sorted(name for name in glob.glob(text, recursive=True) if Path(name).is_file())
    else:
        raise RootFileError("no such file")
    if not found:
        raise RootFileError("no ROOT files there")
    return found


def storable_name(path: str, places: Iterable[str]) -> str:
    """Return what a file is called in the index; "" where no name can be like that.

    Args:
        path: of the file, or its address.
        places: what somebody named: of a file below one of these, the path from there on counts,
            of another one its last part alone.
    """
    name = PurePath(urlsplit(path).path).name if is_address(path) else Path(path).name
    for place in places:
        if not is_address(path) and not is_address(place) and Path(place).is_dir():
            try:
                name = Path(path).relative_to(place).as_posix()
            except ValueError:
                continue
            break
    return "" if name_problem(name) else name


def _remote_glob(address: str) -> list[str]:
    import fsspec  # noqa: PLC0415  # comes with uproot

    system, path = fsspec.core.url_to_fs(address)
    return sorted(system.unstrip_protocol(name) for name in system.glob(path))
