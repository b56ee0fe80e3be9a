"""Which ROOT file on the disk has which UUID; what was opened once is remembered in a file.

Opens files for their UUID alone, several at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eventindex.root_files.errors import RootFileError
from eventindex.root_files.names import expand
from eventindex.root_files.opening import is_address, open_root

_OPENED_TOGETHER_MAX = 8


@dataclass(slots=True)
class Located:
    """Addresses by UUID, and what could not be read."""

    addresses: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def locate(
    places: Sequence[str],
    wanted: Iterable[str],
    *,
    cache: Path | None,
    seconds_max: float,
    report: Callable[[int, int], None],
) -> Located:
    """Find files by the UUIDs that ROOT wrote into them.

    Args:
        places: paths, patterns, directories, addresses. Of copies of a file the first is taken.
        wanted: the UUIDs.
        cache: file that remembers UUIDs by path, size and time of change; None remembers nothing.
        seconds_max: longest wait for an answer of remote storage.
        report: is told how many of how many files were looked at.
    """
    found = Located()
    missing = set(wanted)
    known = _Known(cache)
    names = _names(places, seconds_max, found)
    with ThreadPoolExecutor(_OPENED_TOGETHER_MAX, "eventindex-locate") as pool:
        for start in range(0, len(names), _OPENED_TOGETHER_MAX):
            if not missing:
                break
            part = names[start : start + _OPENED_TOGETHER_MAX]
            for name, uuid in zip(
                part, pool.map(lambda name: known.uuid(name, seconds_max), part), strict=True
            ):
                if isinstance(uuid, RootFileError):
                    found.problems.append((name, str(uuid)))
                elif uuid in missing:
                    found.addresses[uuid] = name
                    missing.discard(uuid)
            report(start + len(part), len(names))
    known.save()
    return found


def _names(places: Sequence[str], seconds_max: float, found: Located) -> list[str]:
    names: dict[str, None] = {}
    for place in places:
        try:
            names.update(dict.fromkeys(expand(place, seconds_max)))
        except RootFileError as error:
            found.problems.append((place, str(error)))
    return list(names)


class _Known:
    """UUIDs of files that were opened before, as long as size and time of change are the same."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._uuids: dict[str, str] = {}
        if path is not None:
            with suppress(OSError, ValueError):
                self._uuids = json.loads(path.read_text(encoding="utf-8"))

    def uuid(self, name: str, seconds_max: float) -> str | RootFileError:
        try:
            key = _key(name)
            if key is None or key not in self._uuids:
                with open_root(name, seconds_max) as file:
                    uuid = file.uuid
                if key is None:
                    return uuid
                self._uuids[key] = uuid
            return self._uuids[key]
        except RootFileError as error:
            return error

    def save(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(json.dumps(self._uuids), encoding="utf-8")
            temporary.replace(self._path)


def _key(name: str) -> str | None:
    if is_address(name):
        return None
    path = Path(name).resolve()
    try:
        status = path.stat()
    except OSError as error:
        raise RootFileError(error.strerror or "cannot be read") from error
    return f"{path}\t{status.st_size}\t{status.st_mtime_ns}"
