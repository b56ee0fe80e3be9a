"""Events and answers to pairs as lines of CSV and JSON objects. Pure: columns in, text out.

The command line writes them and the REST API sends them. Numbers are JSON numbers of up to 64 bits,
file ids are strings. Where pyarrow is loaded it puts the rows together, which is faster.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventindex.columns import EventColumns
from eventindex.results import LookupResult
from eventindex.selection_results import Events
from eventindex.stored_text import pyarrow_is_loaded
from eventindex.values import DatasetState, RawFile

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


class AnswerLines:
    """Answers as CSV, result by result; the file's columns are empty where nothing was found."""

    def __init__(self, *, end: str = "\n", names: bool = False) -> None:
        """Write lines that end with `end`; with `names` what is noted of the files too."""
        self._end = end
        self._none = ",," + ("," * len(NAME_FIELDS) if names else "")
        self._files = _FileTexts(_named_cells if names else _file_cells)

    def __call__(self, result: LookupResult) -> bytes:
        """Return the answers to a batch."""
        olt: list[_Piece] = [] if result.olt_results is None else [",", _bits(result, "")]
        file = _Chosen([f",{self._none}", *self._files.of(result.files)], result)
        return _joined([result.run_numbers, ",", result.event_numbers, file, *olt, self._end])


class AnswerObjects:
    """Answers as JSON objects, result by result; null where nothing was found."""

    def __init__(self, *, before: str = "", end: str = "\n", names: bool = False) -> None:
        """Write objects with texts around each; with `names` what is noted of the files too."""
        self._begin, self._end = f'{before}{{"run_number":', f"}}{end}"
        fields = (*ANSWER_FIELDS[2:], *NAME_FIELDS) if names else ANSWER_FIELDS[2:]
        self._none = f",{_answer_file(None, fields)}"
        self._files = _FileTexts(lambda file: f",{_answer_file(file, fields)}")

    def __call__(self, result: LookupResult) -> bytes:
        """Return the answers to a batch."""
        olt: list[_Piece] = (
            [] if result.olt_results is None else [',"olt_result":', _bits(result, "null")]
        )
        numbers = (self._begin, result.run_numbers, ',"event_number":', result.event_numbers)
        file = _Chosen([self._none, *self._files.of(result.files)], result)
        return _joined([*numbers, file, *olt, self._end])


def event_lines(events: EventColumns | Events, *, names: bool = False) -> str:
    """Return events as CSV, in the field order of `event_header`."""
    files = [f"{file.dsid_raw},{file.fuid_raw}" for file in events.files]
    if names:
        known = [_cells(file.name, file.bytes, file.checksum) for file in events.files]
        files = [f"{file},{cells}" for file, cells in zip(files, known, strict=True)]
    file = _Chosen(["", *_all(files, ",", "\n")], events)
    runs, numbers, olt = _columns(events)
    return _joined([runs, ",", numbers, ",", olt, file]).decode()


def event_objects(events: EventColumns | Events) -> str:
    """Return events as JSON objects, one a line, with what is known of their files."""
    files = [
        f'"dsid_raw":{file.dsid_raw},"fuid_raw":"{file.fuid_raw}"{_known_of(file)}'
        for file in events.files
    ]
    file = _Chosen(["", *_all(files, ",", "}\n")], events)
    runs, numbers, olt = _columns(events)
    return _joined(
        ['{"run_number":', runs, ',"event_number":', numbers, ',"olt_result":', olt, file]
    ).decode()


def state_name(file: RawFile) -> str:
    """Return the state of a file's dataset as it is written."""
    return DatasetState(file.dataset_state).name.lower()


def compact(value: object) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class _Chosen(NamedTuple):
    """One of some texts in each row: that of the row's file, of which 0 is none."""

    texts: Sequence[str]
    rows: LookupResult | EventColumns | Events


class _Known(NamedTuple):
    """A number in each row, or a text where there is none."""

    numbers: NDArray[Any]
    where: NDArray[np.bool_]
    otherwise: str


class _FileTexts:
    """What is written of files, made once for each: the answers of a stream share their files."""

    def __init__(self, text: Callable[[RawFile], str]) -> None:
        self._text = text
        # By identity, which the value keeps from being another's: files compare slowly.
        self._made: dict[int, tuple[RawFile, str]] = {}

    def of(self, files: Sequence[RawFile]) -> list[str]:
        """Return the text of each file."""
        if len(self._made) > _FILE_TEXTS_MAX:
            self._made.clear()
        made = self._made
        for file in files:
            if id(file) not in made:
                made[id(file)] = (file, self._text(file))
        return [made[id(file)][1] for file in files]


_Piece = str | NDArray[Any] | _Chosen | _Known

# So many files are kept as texts, some 200 bytes each.
_FILE_TEXTS_MAX = 200_000
# Fewer rows are put together as soon without it.
_ARROW_ROWS_MIN = 500


def _joined(pieces: Sequence[_Piece]) -> bytes:
    """Return rows as UTF-8; each piece is a text of all rows, or has a value for each."""
    rows = next(len(piece) for piece in pieces if not isinstance(piece, str | _Chosen | _Known))
    if rows >= _ARROW_ROWS_MIN and pyarrow_is_loaded():
        return _joined_by_arrow(pieces)
    row = "".join(p.replace("%", "%%") if isinstance(p, str) else "%s" for p in pieces)
    columns = [_values(piece) for piece in pieces if not isinstance(piece, str)]
    return "".join(map(row.__mod__, zip(*columns, strict=True))).encode()


def _values(piece: NDArray[Any] | _Chosen | _Known) -> list[Any]:
    if isinstance(piece, _Chosen):
        return [piece.texts[i] for i in np.asarray(piece.rows.file_indexes).tolist()]
    if isinstance(piece, _Known):
        found = zip(piece.numbers.tolist(), piece.where.tolist(), strict=True)
        return [number if known else piece.otherwise for number, known in found]
    values: list[Any] = piece.tolist()
    return values


def _joined_by_arrow(pieces: Sequence[_Piece]) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  # may lack
    import pyarrow.compute as pc  # noqa: PLC0415  # may lack

    def column(piece: _Piece) -> Any:
        if isinstance(piece, str):
            return pa.scalar(piece, pa.large_string())
        if isinstance(piece, _Chosen):
            texts = pa.array(piece.texts, pa.large_string())
            return texts.take(pa.array(np.asarray(piece.rows.file_indexes)))
        if isinstance(piece, _Known):
            numbers = pa.array(piece.numbers, mask=~piece.where)
            return pc.fill_null(numbers.cast(pa.large_string()), piece.otherwise)
        return pa.array(piece).cast(pa.large_string())

    # The texts of an array of Arrow lie one behind the other.
    joined = pc.binary_join_element_wise(*map(column, pieces), pa.scalar("", pa.large_string()))
    offsets = np.frombuffer(joined.buffers()[1], np.int64)[joined.offset :]
    return memoryview(joined.buffers()[2])[offsets[0] : offsets[len(joined)]].tobytes()


def _columns(events: EventColumns | Events) -> list[NDArray[Any]]:
    columns = (events.run_numbers, events.event_numbers, events.olt_results)
    return [np.asarray(column) for column in columns]


def _all(texts: Iterable[str], before: str, behind: str) -> list[str]:
    return [f"{before}{text}{behind}" for text in texts]


def _bits(result: LookupResult, otherwise: str) -> _Known:
    return _Known(np.asarray(result.olt_results), result.file_indexes > 0, otherwise)


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


def _file_cells(file: RawFile) -> str:
    return f",{file.fuid_raw},{file.dsid_raw},{state_name(file)}"


def _named_cells(file: RawFile) -> str:
    noted = _cells(*(getattr(file, field) for field in NAME_FIELDS))
    return f"{_file_cells(file)},{noted}"


def _cells(*values: object) -> str:
    """Return values as cells of CSV; what is not known is empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([value or "" for value in values])
    return out.getvalue()
