"""Events and answers to pairs as lines of CSV and JSON. Pure: columns in, text out.

Numbers are JSON numbers of up to 64 bits, file ids are strings.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from eventindex.results import DatasetState, LookupResult, RawFile
from eventindex.selection_results import Events

EVENT_HEADER = "run_number,event_number,olt_result,dsid_raw,fuid_raw\n"
ANSWER_FIELDS = ("run_number", "event_number", "fuid_raw", "dsid_raw", "dataset_state")


def answer_header(*, olt: bool) -> str:
    """Return the first line of answers as CSV."""
    return ",".join([*ANSWER_FIELDS, *(["olt_result"] if olt else []), "error"]) + "\n"


def answer_lines(result: LookupResult) -> str:
    """Return the answers to a batch as CSV; what was not found has empty columns of the file."""
    files = ["", *(f"{f.fuid_raw},{f.dsid_raw},{_state(f)}" for f in result.files)]
    files[0] = ",,"
    if result.olt_results is None:
        return "".join([f"{run},{event},{files[i]},\n" for run, event, i in _pairs(result)])
    olt = result.olt_results.tolist()
    return "".join(
        [
            f"{run},{event},{files[i]},{bits if i else ''},\n"
            for (run, event, i), bits in zip(_pairs(result), olt, strict=True)
        ]
    )


def error_line(error: Mapping[str, Any], *, olt: bool) -> str:
    """Return a bad line of the list as a line of the answers: all columns but `error` are empty."""
    out = io.StringIO()
    empty = [""] * (len(ANSWER_FIELDS) + olt)
    place = f"line {error['line']}" if "line" in error else error["pointer"]
    text = f"{place}: {error['detail']}: {error['value']}"
    csv.writer(out, lineterminator="\n").writerow([*empty, text])
    return out.getvalue()


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


def event_lines(events: Events) -> str:
    """Return a batch of events as CSV, in the field order of the contract."""
    files = [f"{file.dsid_raw},{file.fuid_raw}" for file in events.files]
    rows = zip(_pairs(events), events.olt_results.tolist(), strict=True)
    return "".join([f"{run},{event},{olt},{files[i - 1]}\n" for (run, event, i), olt in rows])


def event_objects(events: Events) -> str:
    """Return a batch of events as JSON objects, one a line."""
    files = [f'"dsid_raw":{file.dsid_raw},"fuid_raw":"{file.fuid_raw}"' for file in events.files]
    rows = zip(_pairs(events), events.olt_results.tolist(), strict=True)
    return "".join(
        [
            f'{{"run_number":{run},"event_number":{event},"olt_result":{olt},{files[i - 1]}}}\n'
            for (run, event, i), olt in rows
        ]
    )


def compact(value: object) -> str:
    """Return a value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _pairs(rows: LookupResult | Events) -> Sequence[tuple[int, int, int]]:
    columns = rows.run_numbers.tolist(), rows.event_numbers.tolist(), rows.file_indexes.tolist()
    return list(zip(*columns, strict=True))


def _state(file: RawFile) -> str:
    return DatasetState(file.dataset_state).name.lower()


def _answer_file(file: RawFile | None) -> str:
    values = (None, None, None) if file is None else (file.fuid_raw, file.dsid_raw, _state(file))
    return compact(dict(zip(ANSWER_FIELDS[2:], values, strict=True)))[1:-1]
