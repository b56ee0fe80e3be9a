"""Lists of files in the forms that other catalogues write, as rows.

Rucio (`list-files`, also --csv, and its JSON lines), DIRAC (the metadata of LFNs, as a table or
JSON), CSV with titles, JSON, and plain lists of an id and a name. Reads a text; asks nothing.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, TextIO

from eventindex.admin_results import FileInfo
from eventindex.file_catalogues.rows import RowError, info_of, info_of_values, is_head

# A JSON document is in memory as a whole; JSON lines and tables are not.
JSON_CHARACTERS_MAX = 512 * 1024 * 1024
LINE_CHARACTERS_MAX = 64 * 1024
_RULE = re.compile(r"[-+|=\s]+")
_SEPARATORS = ",;\t"


class CatalogueError(ValueError):
    """A text that is none of the forms."""


class BadLine(NamedTuple):
    """A line, or an entry of a JSON document, counted from 1, that says nothing of a file."""

    number: int
    problem: str


def read_infos(text: TextIO) -> Iterator[FileInfo | BadLine]:
    """Yield what each row of a list says of its file, and rows that say nothing.

    Raises:
        CatalogueError: the text is none of the forms.
    """
    numbered = ((number, line) for number, line in enumerate(_lines(text), 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise CatalogueError("there is nothing in it")
    lines = chain([first], numbered)
    start = first[1].lstrip("\ufeff \t")
    if start[0] in "[{":
        yield from _json(first, lines)
    elif _RULE.fullmatch(start) or start.startswith("|"):
        yield from _table(lines)
    else:
        yield from _columns(lines)


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(JSON_CHARACTERS_MAX + 1):
        if len(line) > JSON_CHARACTERS_MAX:
            raise CatalogueError(f"it has a line of more than {JSON_CHARACTERS_MAX:,} characters")
        yield line.rstrip("\r\n")


def _info(number: int, read: Callable[..., FileInfo], *given: Any) -> FileInfo | BadLine:
    try:
        return read(*given)
    except RowError as error:
        return BadLine(number, str(error))


def _json(first: tuple[int, str], lines: Iterable[tuple[int, str]]) -> Iterator[FileInfo | BadLine]:
    try:
        is_lines = isinstance(json.loads(first[1].lstrip("\ufeff")), dict)
    except ValueError:
        is_lines = False
    if is_lines:
        for number, line in lines:
            yield from _json_line(number, line)
        return
    parts, size = [], 0
    for _, line in lines:
        size += len(line) + 1
        if size > JSON_CHARACTERS_MAX:
            raise CatalogueError(
                f"the JSON document has more than {JSON_CHARACTERS_MAX:,} characters: write JSON "
                "lines"
            )
        parts.append(line)
    try:
        document = json.loads("\n".join(parts).lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise CatalogueError(f"it is no JSON: {error}") from None
    yield from _entries(document)


def _json_line(number: int, line: str) -> Iterator[FileInfo | BadLine]:
    try:
        value = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        yield BadLine(number, f"no JSON: {error}")
        return
    if isinstance(value, dict) and not is_head(list(value)):
        yield from _entries(value)
    else:
        yield _entry(number, value)


def _entries(document: object) -> Iterator[FileInfo | BadLine]:
    """Yield the files of a document: a list, one under "files", or DIRAC's by their LFNs."""
    if isinstance(document, dict) and isinstance(document.get("Value"), dict):
        document = document["Value"]
    if isinstance(document, dict) and isinstance(document.get("Successful"), dict):
        named = document["Successful"].items()
        document = [
            {"lfn": lfn, **known} if isinstance(known, dict) else known for lfn, known in named
        ]
    if isinstance(document, dict) and isinstance(document.get("files"), list):
        document = document["files"]
    if isinstance(document, dict) and is_head(list(document)):
        document = [document]
    if not isinstance(document, list):
        raise CatalogueError(
            'the JSON is not a list of files: an array of objects, one under "files", or DIRAC\'s '
            '"Successful"'
        )
    for number, entry in enumerate(document, 1):
        yield _entry(number, entry)


def _entry(number: int, entry: object) -> FileInfo | BadLine:
    if not isinstance(entry, dict):
        return BadLine(number, f"{str(entry)[:60]!r} is not an object")
    return _info(number, info_of, entry)


def _table(lines: Iterable[tuple[int, str]]) -> Iterator[FileInfo | BadLine]:
    """Yield the rows between the bars of Rucio's table; what is below it is no row."""
    titles: list[str] = []
    for number, line in lines:
        if not line.lstrip("\ufeff ").startswith("|"):
            continue
        inner = line.strip("\ufeff ").removeprefix("|").removesuffix("|")
        cells = [cell.strip() for cell in inner.split("|")]
        if _RULE.fullmatch(line):
            continue
        if not titles:
            titles = cells
            if not is_head(titles):
                raise CatalogueError(f"no column is the file's id: {', '.join(titles)}")
        else:
            yield _info(number, _info_of_cells, titles, cells)


def _info_of_cells(titles: list[str], cells: list[str]) -> FileInfo:
    if len(cells) != len(titles):
        raise RowError(f"{len(cells)} values for {len(titles)} columns")
    return info_of(dict(zip(titles, cells, strict=True)))


def _columns(lines: Iterable[tuple[int, str]]) -> Iterator[FileInfo | BadLine]:
    """Yield the rows of a list with a separator or blanks, with titles or without."""
    titles: list[str] | None = None
    separator: str | None = None
    begun = False
    for number, raw in lines:
        line = raw.lstrip("\ufeff")
        if line.startswith("#"):
            continue
        if not begun:
            begun = True
            separator = next((s for s in _SEPARATORS if s in line), None)
            head = _split(line, separator)
            if is_head(head):
                titles = head
                continue
        yield _info(number, _line, line, separator, titles)


def _line(line: str, separator: str | None, titles: list[str] | None) -> FileInfo:
    if len(line) > LINE_CHARACTERS_MAX:
        raise RowError(f"the line has more than {LINE_CHARACTERS_MAX:,} characters")
    cells = _split(line, separator)
    return info_of_values(cells) if titles is None else _info_of_cells(titles, cells)


def _split(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return [cell.strip() for cell in cells]
