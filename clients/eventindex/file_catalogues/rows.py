"""What a row of another catalogue says of a file: id, name, size, checksum. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence

from eventindex.admin_results import FileInfo
from eventindex.file_names import problem_of

# As the heads of Rucio, DIRAC and this project write them, in small letters and digits alone.
_FUID = ("fuidraw", "fuid", "guid", "uuid", "fileid")
_NAME = ("lfn", "scopename", "filename", "name", "path", "did", "pfn")
_BYTES = ("bytes", "filesize", "size")
_CHECKSUM = ("checksum", "filechecksum")
_CHECKSUM_KINDS = ("adler32", "md5", "crc32", "sha256")
_UNKNOWN = frozenset({"", "-", "none", "null", "(none)"})

_ID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"[0-9]+")
_HUMAN_SIZE = re.compile(r"[0-9.]+ ?[kKMGTPE]?i?B")
_TYPED_CHECKSUM = re.compile(r"(ad|adler32|md|md5|crc32|sha256):(\S+)", re.IGNORECASE)
_SHORT_KINDS = {"ad": "adler32", "md": "md5"}


class RowError(ValueError):
    """A row that says nothing of a file; names the field and the value."""


def key_of(title: str) -> str:
    """Return a title or key as the rules here spell it."""
    return "".join(letter for letter in title.lower() if letter.isalnum())


def is_head(titles: Sequence[str]) -> bool:
    """Return whether words are the titles of columns: one of them is that of the file's id."""
    return any(key_of(title) in _FUID for title in titles)


def info_of(row: Mapping[str, object]) -> FileInfo:
    """Return what a row says of its file.

    Args:
        row: values by title or key.

    Raises:
        RowError: it has no id, or a value that cannot be.
    """
    values = {key_of(title): _text(value) for title, value in row.items()}
    return _checked(
        _first(values, _FUID, "file id (guid, fuid)"),
        _name(values),
        _size(next((values[key] for key in _BYTES if values.get(key)), "")),
        _checksum(values),
    )


def info_of_values(values: Sequence[str]) -> FileInfo:
    """Return what the values of a row without titles say: each is known by its look.

    Raises:
        RowError: none of them is an id, or a value cannot be.
    """
    fuid = name = checksum = size = ""
    for value in map(_text, values):
        if not value:
            continue
        if not fuid and _ID.fullmatch(value):
            fuid = value
        elif not checksum and (typed := _TYPED_CHECKSUM.fullmatch(value)):
            checksum = _typed(typed[1], typed[2])
        elif not name:
            name = value
        elif not size and (_NUMBER.fullmatch(value) or _HUMAN_SIZE.fullmatch(value)):
            size = value
        # Rucio's number of events comes last.
        elif not _NUMBER.fullmatch(value):
            raise RowError(f"{value[:60]!r} is one value too many: separate them by commas")
    if not fuid:
        raise RowError("no value is a file id")
    return _checked(fuid, name, _size(size), checksum)


def _checked(fuid: str, name: str, size: int, checksum: str) -> FileInfo:
    if not _ID.fullmatch(fuid):
        raise RowError(f"file id is {fuid[:60]!r}, not 32 hexadecimal digits")
    problem = problem_of(name, size, checksum)
    if problem:
        raise RowError(problem)
    if not (name or size or checksum):
        raise RowError(f"nothing but the file id {fuid} is there")
    return FileInfo(str(uuid.UUID(fuid)), name, size, checksum)


def _text(value: object) -> str:
    if isinstance(value, dict | list | float | bool):
        raise RowError(f"a value is {str(value)[:60]!r}, not a text or an integer")
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _UNKNOWN else text


def _first(values: Mapping[str, str], keys: Sequence[str], what: str) -> str:
    for key in keys:
        if values.get(key):
            return values[key]
    raise RowError(f"there is no {what}")


def _name(values: Mapping[str, str]) -> str:
    name = next((values[key] for key in _NAME if values.get(key)), "")
    scope = values.get("scope", "")
    return f"{scope}:{name}" if scope and name and ":" not in name else name


def _size(text: str) -> int:
    # Rounded for people: the size is not known from it.
    if not text or _HUMAN_SIZE.fullmatch(text):
        return 0
    if not _NUMBER.fullmatch(text):
        raise RowError(f"bytes is {text[:60]!r}, not a number of bytes")
    return int(text)


def _checksum(values: Mapping[str, str]) -> str:
    for key in _CHECKSUM:
        if values.get(key):
            kind = values.get("checksumtype", "")
            typed = _TYPED_CHECKSUM.fullmatch(values[key])
            if typed:
                return _typed(typed[1], typed[2])
            return _typed(kind, values[key]) if kind else values[key]
    for kind in _CHECKSUM_KINDS:
        if values.get(kind):
            typed = _TYPED_CHECKSUM.fullmatch(values[kind])
            return _typed(kind, typed[2] if typed else values[kind])
    return ""


def _typed(kind: str, value: str) -> str:
    kind = kind.lower()
    return f"{_SHORT_KINDS.get(kind, kind)}:{value}"
