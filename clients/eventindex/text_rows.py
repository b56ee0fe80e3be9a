"""Events and answers to pairs as lines of CSV and JSON objects. Pure: columns in, text out.

The command line writes them and the REST API sends them. Numbers are JSON numbers of up to 64 bits,
file ids are strings.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from eventindex.columns import EventColumns
from eventindex.results import DatasetState, LookupResult, RawFile
from eventindex.selection_results import Events

EVENT_FIELDS = ("run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw")
ANSWER_FIELDS = ("run_number", "event_number", "fuid_raw", "dsid_raw", "dataset_state")
# Where names are asked for.
NAME_FIELDS = ("name", "bytes", "checksum", "url")
# What an event may say of its file.
FILE_FIELDS = ("file_name", "file_bytes", "file_checksum")


def event_header(*, names: bool = False) -> str:
    """Return the first line of events as CSV."""
    return ",".join((*EVENT_FIELDS, *FILE_FIELDS) if names else EVENT_FIELDS) + "\n"


def answer_fields(*, olt: bool, names: bool = False) -> tuple[str, ...]:
    """Return the names of the columns of answers."""
    named = (*ANSWER_FIELDS, *NAME_FIELDS) if names else ANSWER_FIELDS
    return (*named, "olt_result") if olt else named


def answer_lines(result: LookupResult, *, end: str = "\n", names: bool = False) -> str:
    """Return the answers to a batch as CSV; the file's columns are empty where nothing was found.

    Args:
        result: the answers.
        end: what each line ends with.
        names: whether what is noted of the files is told too.
    """
    files = [",,", *(f"{f.fuid_raw},{f.dsid_raw},{state_name(f)}" for f in result.files)]
    if names:
        known = ["," * (len(NAME_FIELDS) - 1), *map(_name_cells, result.files)]
        files = [f"{file},{cells}" for file, cells in zip(files, known, strict=True)]
    if result.olt_results is None:
        return "".join([f"{run},{event},{files[i]}{end}" for run, event, i in _pairs(result)])
    olt = result.olt_results.tolist()
    return "".join(
        [
            f"{run},{event},{files[i]},{bits if i else ''}{end}"
            for (run, event, i), bits in zip(_pairs(result), olt, strict=True)
        ]
    )


def answer_objects(result: LookupResult, *, names: bool = False) -> list[str]:
    """Return the answers to a batch as JSON objects; null where nothing was found."""
    fields = (*ANSWER_FIELDS[2:], *NAME_FIELDS) if names else ANSWER_FIELDS[2:]
    files = [_answer_file(file, fields) for file in (None, *result.files)]
    if result.olt_results is None:
        return [
            f'{{"run_number":{run},"event_number":{event},{files[i]}}}'
            for run, event, i in _pairs(result)
        ]
    olt = result.olt_results.tolist()
    return [
        f'{{"run_number":{run},"event_number":{event},{files[i]},'
        f'"olt_result":{bits if i else "null"}}}'
        for (run, event, i), bits in zip(_pairs(result), olt, strict=True)
    ]


def event_lines(events: EventColumns | Events, *, names: bool = False) -> str:
    """Return events as CSV, in the field order of `event_header`."""
    files = [f"{file.dsid_raw},{file.fuid_raw}" for file in events.files]
    if names:
        known = [_cells(file.name, file.bytes, file.checksum) for file in events.files]
        files = [f"{file},{cells}" for file, cells in zip(files, known, strict=True)]
    rows = zip(_pairs(events), np.asarray(events.olt_results).tolist(), strict=True)
    return "".join([f"{run},{event},{olt},{files[i - 1]}\n" for (run, event, i), olt in rows])


def event_objects(events: EventColumns | Events) -> str:
    """Return events as JSON objects, one a line, with what is known of their files."""
    files = [
        f'"dsid_raw":{file.dsid_raw},"fuid_raw":"{file.fuid_raw}"{_known_of(file)}'
        for file in events.files
    ]
    rows = zip(_pairs(events), np.asarray(events.olt_results).tolist(), strict=True)
    return "".join(
        [
            f'{{"run_number":{run},"event_number":{event},"olt_result":{olt},{files[i - 1]}}}\n'
            for (run, event, i), olt in rows
        ]
    )


def state_name(file: RawFile) -> str:
    """Return the state of a file's dataset as it is written."""
    return DatasetState(file.dataset_state).name.lower()


def compact(value: object) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _pairs(rows: LookupResult | EventColumns | Events) -> Iterator[tuple[int, int, int]]:
    """Yield run number, event number and the number of the file, 1 for the first."""
    columns = (rows.run_numbers, rows.event_numbers, rows.file_indexes)
    return zip(*(np.asarray(column).tolist() for column in columns), strict=True)


def _answer_file(file: RawFile | None, fields: Sequence[str]) -> str:
    known: dict[str, Any] = dict.fromkeys(fields)
    if file is not None:
        # What is not known of a file is null, as is the file of an event that is not there.
        known = {field: getattr(file, field) or None for field in fields}
        known |= {"dsid_raw": file.dsid_raw, "dataset_state": state_name(file)}
    return compact(known)[1:-1]


def _known_of(file: RawFile) -> str:
    values = zip(FILE_FIELDS, (file.name, file.bytes, file.checksum), strict=True)
    known = {field: value for field, value in values if value}
    return f",{compact(known)[1:-1]}" if known else ""


def _name_cells(file: RawFile) -> str:
    return _cells(*(getattr(file, field) for field in NAME_FIELDS))


def _cells(*values: object) -> str:
    """Return values as cells of CSV; what is not known is empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([value or "" for value in values])
    return out.getvalue()
