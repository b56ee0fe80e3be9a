"""Lists of what an index should hold, as another catalogue or a manifest gives them. Pure.

An entry is a file or a dataset and its number of events. Reads CSV with a header, tables of Parquet
and Arrow, and JSON: an array of objects, or an object with `files` and `datasets`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from itertools import chain
from typing import BinaryIO

from eventindex.cli.event_files.fields import BadFieldError, checked_uuid, shorten
from eventindex.cli.event_files.rows import FileFormatError
from eventindex.limits import DSID_MAX, NUMBER_MAX
from eventindex.pair_lists.columns import PairListError
from eventindex.pair_lists.source import Kind, Raw, Readable, binary_trouble, open_source
from eventindex.stored_text import SEPARATOR_LINE

FIELDS = ("fuid_raw", "dsid_raw", "dataset", "run_number", "events")
# What a manifest says beside; nothing is compared with it.
_PASSED_OVER = frozenset({"file_name"})

_DIGITS = re.compile(r"[0-9]{1,40}", re.ASCII)

Report = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Expected:
    """A file (with its id) or a dataset (without) and its number of events.

    Attributes:
        place: the line in the file, or the number of the entry in JSON, from 1.
        fuid_raw: the file id in lower case; None for a dataset.
        dsid_raw, dataset: the dataset's number or name; one of them for a dataset.
        run_number: the run that the events of the file are of; None for all runs.
        events: how many there should be.
    """

    place: int
    fuid_raw: str | None
    dsid_raw: int | None
    dataset: str | None
    run_number: int | None
    events: int

    def key(self) -> tuple[str | None, int | str | None, int | None]:
        """Return what may be in a list once."""
        dataset = self.dataset if self.dsid_raw is None else self.dsid_raw
        return self.fuid_raw, dataset, self.run_number


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """The names of the fields in the file, and what stands in for fields that are not there."""

    names: Mapping[str, str]
    dsid_raw: int | None = None
    run_number: int | None = None


def read_expected(
    stream: BinaryIO, form: str, fallbacks: Fallbacks, report: Report
) -> list[Expected]:
    """Return the entries of a list and report the bad ones.

    Raises:
        FileFormatError: the file cannot be read at all.
    """
    records = _csv_records(stream, fallbacks) if form == "csv" else _json_records(stream, fallbacks)
    found: list[Expected] = []
    places: dict[object, int] = {}
    for place, record in records:
        try:
            entry = _entry(place, record, fallbacks)
        except BadFieldError as error:
            report(place, str(error))
            continue
        first = places.setdefault(entry.key(), place)
        if first != place:
            report(place, f"{_name(entry)} is there twice, first at {first}")
            continue
        found.append(entry)
    return found


def _csv_records(stream: BinaryIO, fallbacks: Fallbacks) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        source, kind = open_source(stream)
        if kind is Kind.TEXT:
            yield from _text_records(source, fallbacks)
        else:
            yield from _table_records(source, kind, fallbacks)
    except PairListError as error:
        raise FileFormatError(str(error)) from error


def _text_records(
    source: Readable, fallbacks: Fallbacks
) -> Iterator[tuple[int, dict[str, object]]]:
    raw = BufferedReader(Raw(source))
    text = TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="")
    first = text.readline()
    above = 1 if SEPARATOR_LINE.fullmatch(first) else 0
    if above:
        first = text.readline()
    if "\0" in first:
        raise FileFormatError(binary_trouble(b"\0", any_pair=False) or "")
    rows = csv.reader(chain([first], text), delimiter=_delimiter(first, fallbacks), strict=True)
    try:
        header = [_canonical(name.strip(), fallbacks) for name in next(rows, [])]
        _check_header(header, fallbacks)
        for row in rows:
            if not row:
                continue
            cells = (cell.strip() or None for cell in row)
            # A row of another length is refused when its entry is made.
            record: dict[str, object] = dict(zip(header, cells, strict=False))
            record[""] = None if len(row) == len(header) else f"{len(row)} fields"
            yield rows.line_num + above, record
    except csv.Error as error:
        raise FileFormatError(f"line {rows.line_num + above}: {error}") from error


def _table_records(
    source: Readable, kind: Kind, fallbacks: Fallbacks
) -> Iterator[tuple[int, dict[str, object]]]:
    from eventindex.pair_lists.tables import read_rows  # needs pyarrow

    for place, row in enumerate(read_rows(source, kind), 1):
        record = {_canonical(name, fallbacks): value for name, value in row.items()}
        if place == 1:
            _check_header(record, fallbacks)
        yield place, record


def _delimiter(header: str, fallbacks: Fallbacks) -> str:
    """Return what stands between the names of a header: what sets the number of events apart."""
    wanted = fallbacks.names.get("events", "events").lower()
    for delimiter in ",;\t":
        names = next(csv.reader([header], delimiter=delimiter), [])
        if wanted in {name.strip().lower() for name in names}:
            return delimiter
    return ","


def _canonical(name: str, fallbacks: Fallbacks) -> str:
    """Return the name of a field that a column is called by, but for capitals; else the name."""
    wanted = {fallbacks.names.get(field, field) for field in FIELDS}
    return name.lower() if name not in wanted and name.lower() in wanted else name


def _check_header(header: Iterable[str], fallbacks: Fallbacks) -> None:
    names = list(header)
    wanted = {fallbacks.names.get(name, name) for name in FIELDS}
    for name in names:
        if names.count(name) > 1:
            raise FileFormatError(f"column {name!r} is there twice")
        if name not in wanted | _PASSED_OVER and not fallbacks.names:
            raise FileFormatError(f"unknown column {name!r} (known: {', '.join(FIELDS)})")
    for name in ("events", *fallbacks.names):
        if fallbacks.names.get(name, name) not in names:
            raise FileFormatError(f"no column {fallbacks.names.get(name, name)!r}")


def _json_records(
    stream: BinaryIO, fallbacks: Fallbacks
) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        whole = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"not JSON: {error}") from error
    if isinstance(whole, dict) and set(whole) <= {"files", "datasets"}:
        parts = [whole.get("files", []), whole.get("datasets", [])]
    else:
        parts = [whole]
    if not all(isinstance(part, list) for part in parts):
        raise FileFormatError("neither an array nor an object with `files` and `datasets`")
    wanted = {fallbacks.names.get(name, name) for name in FIELDS}
    for place, record in enumerate((record for part in parts for record in part), 1):
        if not isinstance(record, dict):
            raise FileFormatError(f"entry {place}: {shorten(record)} is not an object")
        unknown = next((name for name in record if name not in wanted | _PASSED_OVER), None)
        if unknown is not None and not fallbacks.names:
            raise FileFormatError(f"entry {place}: unknown field {shorten(unknown)}")
        yield place, record


def _entry(place: int, record: Mapping[str, object], fallbacks: Fallbacks) -> Expected:
    if record.get(""):
        raise BadFieldError("", f"{record['']}, not as many as the header")
    values = {name: record.get(fallbacks.names.get(name, name)) for name in FIELDS}
    fuid, dataset = values["fuid_raw"], values["dataset"]
    dsid = _number("dsid_raw", values["dsid_raw"], DSID_MAX)
    run = _number("run_number", values["run_number"], NUMBER_MAX)
    events = _number("events", values["events"], NUMBER_MAX)
    if events is None:
        raise BadFieldError("events", "is missing")
    if dataset is not None and not isinstance(dataset, str):
        raise BadFieldError("dataset", f"{shorten(dataset)} is not a name")
    if dsid is None and dataset is None:
        dsid = fallbacks.dsid_raw
    if fuid is None and dsid is None and dataset is None:
        raise BadFieldError("fuid_raw", "is missing, and so is a dataset")
    if fuid is None and run is not None:
        raise BadFieldError("run_number", f"{run} stands beside a dataset without a file")
    if fuid is not None:
        fuid = checked_uuid("fuid_raw", fuid).lower()
        run = fallbacks.run_number if run is None else run
    return Expected(place, fuid, dsid, dataset, run, events)


def _number(name: str, value: object, largest: int) -> int | None:
    """Return an integer from JSON, or of a text of digits; None for none."""
    if value is None:
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFieldError(name, f"{shorten(value)} is not an integer from 0 on")
    if not 0 <= value <= largest:
        raise BadFieldError(name, f"{value} is outside 0 to {largest}")
    return value


def _name(entry: Expected) -> str:
    if entry.fuid_raw is not None:
        return f"file {entry.fuid_raw}"
    return f"dataset {entry.dataset if entry.dsid_raw is None else entry.dsid_raw}"
