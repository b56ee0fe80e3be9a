"""Files of events that name their RAW files: CSV, JSON lines and Parquet, by either reader."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from eventindex.cli.event_files.arrow_csv import read_csv_fast
from eventindex.cli.event_files.fields import ALL_FIELDS
from eventindex.cli.event_files.parquet_in import read_parquet
from eventindex.cli.event_files.rows import BadRow, Defaults, FileFormatError
from eventindex.cli.event_files.text import read_csv, read_json_lines
from eventindex.results import RawFile
from tests.support.command import run
from tests.support.load import fuid

A, B = fuid(0), fuid(1)
# Three events in a file of which more is said later, one of another; one says nothing.
ROWS = [
    (1, 1, 0, 7, A, "run1/a.root", 2**40, "adler32:0a1b2c3d"),
    (1, 2, 0, 7, A, None, None, None),
    (1, 3, 0, 7, B, "b, c.root", None, None),
    (1, 4, 0, 7, A, "run1/a.root", 2**40, "adler32:0a1b2c3d"),
]
BAD = [
    ("../b.root", 5, "x", "file_name: name is '../b.root', with a part '..'"),
    ("b.root", 2**63, "x", f"file_bytes: bytes is {2**63}, not from 0 to {2**63 - 1}"),
    ("b.root", 5, "two words", "file_checksum: checksum is 'two words', not 1 to 256"),
]


def files_of(reader: Callable[..., Any], data: bytes, **given: Any) -> tuple[list, list[BadRow]]:
    """Event number and file of each event, and the rows that were refused."""
    bad: list[BadRow] = []
    at = [lambda _: None] if reader is read_parquet else []
    found = []
    for block in reader(io.BytesIO(data), Defaults(**given), bad.append, *at):
        columns = block.columns
        events = columns.event_numbers.tolist()
        files = [columns.files[place - 1] for place in columns.file_indexes.tolist()]
        found += zip(events, files, strict=True)
    return found, bad


def csv_bytes(rows: list[tuple]) -> bytes:
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    # Without the quotes the fast reader takes it too.
    lines = [";".join(row) for row in (ALL_FIELDS, *cells)]
    return ("\n".join(lines) + "\n").encode()


def json_bytes(rows: list[tuple]) -> bytes:
    return "\n".join(json.dumps(dict(zip(ALL_FIELDS, row, strict=True))) for row in rows).encode()


def parquet_bytes(rows: list[tuple]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(
        pa.table(dict(zip(ALL_FIELDS, map(_column, zip(*rows, strict=True)), strict=True))), out
    )
    return out.getvalue()


def _column(values: tuple) -> pa.Array:
    texts = any(isinstance(value, str) for value in values)
    return pa.array(values, pa.string() if texts else pa.uint64())


WAYS = [
    (read_csv, csv_bytes),
    (read_csv_fast, csv_bytes),
    (read_json_lines, json_bytes),
    (read_parquet, parquet_bytes),
]


@pytest.mark.parametrize(("reader", "write"), WAYS)
def test_columns_say_name_size_and_checksum_of_the_file(reader, write):
    """What stands beside an event is noted of its file; an empty cell or null says nothing."""
    found, bad = files_of(reader, write(ROWS))
    assert bad == []
    known = RawFile(A, 7, name="run1/a.root", bytes=2**40, checksum="adler32:0a1b2c3d")
    assert found == [(1, known), (2, RawFile(A, 7)), (3, RawFile(B, 7, name="b, c.root")),
                     (4, known)]  # fmt: skip


@pytest.mark.parametrize(("reader", "write"), WAYS)
@pytest.mark.parametrize(("name", "size", "checksum", "problem"), BAD)
def test_a_row_whose_file_cannot_be_called_so_is_refused(
    reader, write, name, size, checksum, problem
):
    """The row is named with field and value, the others are read."""
    found, bad = files_of(reader, write([*ROWS, (1, 5, 0, 7, B, name, size, checksum)]))
    assert len(found) == len(ROWS)
    assert [row.problem[: len(problem)] for row in bad] == [problem]


@pytest.mark.parametrize(("reader", "write"), [WAYS[1], WAYS[3]])
def test_columns_of_other_names(reader, write):
    """--columns says which column is the name; one that it names and that is not there is told."""
    data = write(ROWS)
    with pytest.raises(FileFormatError, match="no column 'LFN'"):
        files_of(reader, data, names={"file_name": "LFN"})
    names = {"file_name": "file_checksum", "file_checksum": "file_name"}
    file = files_of(reader, data, names=names)[0][0][1]
    assert (file.name, file.checksum) == ("adler32:0a1b2c3d", "run1/a.root")


def test_a_size_of_another_type_is_refused():
    """A size that is text in Parquet, or no number in CSV or JSON, is told."""
    with pytest.raises(FileFormatError, match="'file_bytes' has the type string, not integers"):
        files_of(read_parquet, parquet_bytes([(*ROWS[0][:6], "5", "x")]))
    for reader, write in WAYS[:3]:
        _, bad = files_of(reader, write([(*ROWS[0][:6], "5x", "x")]))
        assert bad[0].problem.startswith("file_bytes: '5x' is not an integer")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_generated_files_have_names_where_asked(in_own_directory, form):
    """--file-names writes names that load, the manifest and other catalogues' import read."""
    options = ["--runs", "1", "--events", "50", "--streams", "2", "--manifest", "m.csv"]
    plain = run("generate", "-o", f"plain.{form}", *options)
    assert plain.exit_code == 0
    assert "file_name" not in Path("m.csv").read_text()
    done = run("generate", "-o", f"w.{form}", "--file-names", *options)
    assert done.exit_code == 0, done.output
    reader = {"csv": read_csv_fast, "jsonl": read_json_lines, "parquet": read_parquet}[form]
    found, bad = files_of(reader, Path(f"w.{form}").read_bytes())
    assert bad == []
    assert {file.name for _, file in found} == {"run1/stream0.0.raw", "run1/stream1.0.raw"}
    before, _ = files_of(reader, Path(f"plain.{form}").read_bytes())
    assert [(event, file._replace(name="")) for event, file in found] == before
    head, *rows = Path("m.csv").read_text().splitlines()
    assert head == "fuid_raw,dsid_raw,run_number,events,file_name"
    assert {row.rsplit(",", 1)[1] for row in rows} == {
        "run1/stream0.0.raw",
        "run1/stream1.0.raw",
        "",
    }
