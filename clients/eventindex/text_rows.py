"""Events and answers to pairs as lines of CSV and JSON objects. Pure: columns in, text out.

The command line writes them and the REST API sends them. Numbers are JSON numbers of up to 64 bits,
file ids are strings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from eventindex.columns import EventColumns
from eventindex.results import DatasetState, LookupResult, RawFile
from eventindex.selection_results import Events

EVENT_FIELDS = ("run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw")
ANSWER_FIELDS = ("run_number", "event_number", "fuid_raw", "dsid_raw", "dataset_state")
EVENT_HEADER = ",".join(EVENT_FIELDS) + "\n"


def answer_fields(*, olt: bool) -> tuple[str, ...]:
    """Return the names of the columns of answers."""
    return (*ANSWER_FIELDS, "olt_result") if olt else ANSWER_FIELDS


def answer_lines(result: LookupResult, *, end: str = "\n") -> str:
    """Return the answers to a batch as CSV; the file's columns are empty where nothing was found.

    Args:
        result: the answers.
        end: what each line ends with.
    """
    files = [",,", *(f"{f.fuid_raw},{f.dsid_raw},{state_name(f)}" for f in result.files)]
    if result.olt_results is None:
        return "".join([f"{run},{event},{files[i]}{end}" for run, event, i in _pairs(result)])
    olt = result.olt_results.tolist()
    return "".join(
        [
            f"{run},{event},{files[i]},{bits if i else ''}{end}"
            for (run, event, i), bits in zip(_pairs(result), olt, strict=True)
        ]
    )


def answer_objects(result: LookupResult) -> list[str]:
    """Return the answers to a batch as JSON objects; null where nothing was found."""
    files = [_answer_file(None), *map(_answer_file, result.files)]
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


def event_lines(events: EventColumns | Events) -> str:
    """Return events as CSV, in the field order of the contract."""
    files = [f"{file.dsid_raw},{file.fuid_raw}" for file in events.files]
    rows = zip(_pairs(events), np.asarray(events.olt_results).tolist(), strict=True)
    return "".join([f"{run},{event},{olt},{files[i - 1]}\n" for (run, event, i), olt in rows])


def event_objects(events: EventColumns | Events) -> str:
    """Return events as JSON objects, one a line."""
    files = [f'"dsid_raw":{file.dsid_raw},"fuid_raw":"{file.fuid_raw}"' for file in events.files]
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


def _answer_file(file: RawFile | None) -> str:
    values = (None,) * 3 if file is None else (file.fuid_raw, file.dsid_raw, state_name(file))
    return compact(dict(zip(ANSWER_FIELDS[2:], values, strict=True)))[1:-1]
