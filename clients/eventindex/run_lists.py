"""Lists of good runs, as experiments write them, as ranges of run numbers.

Plain text (a number or a range a line), the certification JSON of CMS, the XML good-run list of
ATLAS; the first character tells which. Parts of runs (luminosity sections and blocks) are not used:
the index knows events, and a file says nothing of their luminosity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.limits import NUMBER_MAX, RUN_RANGES_MAX
from eventindex.pairs import Int64
from eventindex.strict_json import STRICT

FILE_BYTES_MAX = 64 * 1024 * 1024

_LINE = re.compile(r"([0-9]{1,40})(?:\s*(?:-|\.\.)\s*([0-9]{1,40}))?", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,40}", re.ASCII)


class RunList(NamedTuple):
    """Runs.

    Attributes:
        ranges: (first, last), inclusive, ascending, apart from each other; at most 10,000.
        not_used: what of the list was not used, in words; "" when all was.
    """

    ranges: tuple[tuple[int, int], ...]
    not_used: str = ""

    def mask(self, runs: Int64) -> npt.NDArray[np.bool_]:
        """Return which of some runs are in the list, bool, shape (n,)."""
        firsts, lasts = np.array(self.ranges, np.int64).reshape(-1, 2).T
        place = np.searchsorted(firsts, runs, side="right") - 1
        return (place >= 0) & (runs <= lasts[place])


def read_run_list(stream: BinaryIO) -> RunList:
    """Return the runs of a list.

    Raises:
        ValueError: it is none, or has too many ranges; names the line or the run.
    """
    data = stream.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"is longer than {FILE_BYTES_MAX >> 20} MiB")
    return parse_run_list(data)


def parse_run_list(data: bytes) -> RunList:
    """Return the runs of a list; see `read_run_list`."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        found = _of_xml(start)
    elif start.startswith((b"{", b"[")):
        found = _of_json(start)
    else:
        found = RunList(merged(_of_text(data)))
    if len(found.ranges) > RUN_RANGES_MAX:
        raise ValueError(f"has {len(found.ranges):,} ranges of runs, above {RUN_RANGES_MAX:,}")
    return found


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges ascending; those that overlap or touch as one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def _of_text(data: bytes) -> Iterator[tuple[int, int]]:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start + 1}") from None
    header_allowed = True
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if header_allowed and text.lower().strip('"') in {"run", "runs", "run_number"}:
            header_allowed = False
            continue
        header_allowed = False
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(f"line {number}: {text[:60]!r} is neither a run nor a range of runs")
        first = _number(match[1], f"line {number}")
        last = first if match[2] is None else _number(match[2], f"line {number}")
        if first > last:
            raise ValueError(f"line {number}: {first} to {last} is reversed")
        yield first, last


def _of_json(data: bytes) -> RunList:
    try:
        found = STRICT.decode(data.decode())
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(found, dict):
        raise ValueError("is JSON, but no object of runs and their luminosity sections")  # noqa: TRY004  # what a file holds is a value
    runs = []
    sections = 0
    for run, parts in found.items():
        number = _number(run, "run")
        if not isinstance(parts, list) or not all(_is_section(part) for part in parts):
            raise ValueError(f"run {number}: {str(parts)[:60]} is not a list of [first, last]")
        sections += len(parts)
        if parts:
            runs.append((number, number))
    return RunList(merged(runs), _not_used(sections, "luminosity sections"))


def _of_xml(data: bytes) -> RunList:
    # Few lists are XML, and its modules take their time.
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415  # few need it, and it takes its time

    import defusedxml.ElementTree  # noqa: PLC0415  # few need it, and it takes its time
    from defusedxml import DefusedXmlException  # noqa: PLC0415  # few need it, and it takes its time

    try:
        root = defusedxml.ElementTree.fromstring(data, forbid_dtd=False)
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from None
    except DefusedXmlException:
        raise ValueError("XML with entities of its own is not read") from None
    runs = []
    blocks = 0
    for collection in root.iter("LumiBlockCollection"):
        number = _number((collection.findtext("Run") or "").strip(), "<Run>")
        of_run = len(collection.findall("LBRange"))
        blocks += of_run
        if of_run:
            runs.append((number, number))
    if not runs:
        raise ValueError("is XML, but no good-run list: no <LumiBlockCollection> with blocks")
    return RunList(merged(runs), _not_used(blocks, "luminosity blocks"))


def _not_used(count: int, what: str) -> str:
    return f"{count:,} ranges of {what} are not used: whole runs are taken" if count else ""


def _is_section(part: object) -> bool:
    return isinstance(part, list) and len(part) == 2 and all(type(number) is int for number in part)


def _number(text: str, where: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > NUMBER_MAX:
        raise ValueError(f"{where}: {text[:60]!r} is not a run number from 0 to 2^63-1")
    return int(text)
