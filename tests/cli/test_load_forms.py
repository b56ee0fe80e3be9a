"""Files as people have them: encodings, line ends, delimiters, headers, and types of Arrow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from eventindex.cli.event_files import json_array
from eventindex.cli.event_files.arrow_csv import read_csv_fast
from eventindex.cli.event_files.fields import FIELDS
from eventindex.cli.event_files.parquet_in import read_parquet
from eventindex.cli.event_files.rows import FileFormatError
from eventindex.cli.event_files.text import read_csv, read_json_lines, read_records
from tests.support.command import run
from tests.support.load import columns, fuid, read

pytestmark = pytest.mark.usefixtures("in_own_directory")
ROWS = [(1, event, [5, 2**64 - 1, 0][event % 3], 7, fuid(event % 2)) for event in range(300)]
READERS: dict[str, Callable[..., Any]] = {"arrow": read_csv_fast, "rows": read_csv}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
ENDS = ["\n", "\r\n", "\r"]


def csv_of(rows: list[tuple], delimiter: str = ",", header: tuple = FIELDS) -> str:
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]) + "\n"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("end", ENDS, ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_csv_of_any_editor(reader: Callable[..., Any], end: str, encoding: str):
    """Encoding and line ends do not matter, with pyarrow and without."""
    text = csv_of(ROWS).replace("\n", end)
    assert read(reader, text.encode(encoding)) == (ROWS, [])
    broken = text.rstrip() + f"{end}1,x,0,7,{fuid(1)}"
    good, bad = read(reader, broken.encode(encoding))
    assert (len(good), bad[0].line, bad[0].row) == (300, 302, f"1,x,0,7,{fuid(1)}")


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("said", ["sep={}\n", '"sep={}"\n', "SEP={}\n", ""])
@pytest.mark.parametrize("quoted", [False, True])
def test_csv_of_any_delimiter(reader: Callable[..., Any], delimiter: str, said: str, quoted: bool):
    """The delimiter is told by Excel's first line or by the header; names may be quoted."""
    header = tuple(f'"{name}"' for name in FIELDS) if quoted else FIELDS
    data = (said.format(delimiter) + csv_of(ROWS, delimiter, header)).encode()
    if delimiter == "|" and not said:
        with pytest.raises(FileFormatError, match=r"unknown column|expected after"):
            read(reader, data)
        return
    assert read(reader, data) == (ROWS, [])
    _, bad = read(reader, data + b"x\n")
    assert bad[0].line == 302 + bool(said)


@pytest.mark.parametrize("reader", [*READERS.values(), read_json_lines, read_parquet])
@pytest.mark.parametrize("turn", [str.upper, str.title, str])
def test_names_of_columns_in_any_case(reader: Callable[..., Any], turn: Callable[[str], str]):
    """RUN_NUMBER is run_number, in every format; both at once are refused."""
    names = tuple(map(turn, FIELDS))
    if reader is read_parquet:
        out = io.BytesIO()
        values = columns(ROWS).values()
        arrays = [pa.array(v, None if isinstance(v[0], str) else pa.uint64()) for v in values]
        parquet.write_table(pa.table(dict(zip(names, arrays, strict=True))), out)
        data = out.getvalue()
    elif reader is read_json_lines:
        data = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS).encode()
    else:
        data = csv_of(ROWS, header=names).encode()
        twice = (*names[:4], names[0].swapcase())
        with pytest.raises(FileFormatError, match="there twice"):
            read(reader, csv_of(ROWS, header=twice).encode())
    assert read(reader, data) == (ROWS, [])


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("sep=;\n", "no header"),
        ("a,b\n", "unknown column 'a'"),
        ("run_number;x\n", "unknown column 'x'"),
        ('"run_number,event_number\n1,2\n', "line 1: unexpected end of data"),
        ("run_number,event_number\n", "no column 'olt_result'|no column 'dsid_raw'"),
        ("\0\0\0\0", "unknown column"),
    ],
)
def test_a_header_that_is_none_is_named(reader: Callable[..., Any], text: str, problem: str):
    """What cannot be a header is one sentence, in either reader."""
    with pytest.raises(FileFormatError, match=problem):
        read(reader, text.encode())


@pytest.mark.parametrize("reader", [*READERS.values(), read_json_lines])
def test_bits_may_come_signed(reader: Callable[..., Any]):
    """olt_result as PostgreSQL's bigint has it, as our own view gives it, is the same 64 bits."""
    rows = [(1, 1, -1, 7, fuid(1)), (1, 2, -(2**63), 7, fuid(1)), (1, 3, 5, 7, fuid(1))]
    wanted = [(1, 1, 2**64 - 1, 7, fuid(1)), (1, 2, 2**63, 7, fuid(1)), (1, 3, 5, 7, fuid(1))]
    below = [(1, 4, -(2**63) - 1, 7, fuid(1)), (1, -1, 0, 7, fuid(1))]
    form = json_of if reader is read_json_lines else csv_of
    assert read(reader, form(rows).encode()) == (wanted, [])
    good, bad = read(reader, form(rows + below).encode())
    assert good == wanted
    assert [each.problem.split(" is ")[0] for each in bad] == [
        f"olt_result: {-(2**63) - 1}", bad[1].problem.split(" is ")[0],
    ]  # fmt: skip


def json_of(rows: list[tuple]) -> str:
    return "\n".join(json.dumps(dict(zip(FIELDS, row, strict=True))) for row in rows)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_in_an_array(indent: int | None, end: str, encoding: str):
    """An array is read as lines are, whatever its layout; a bad element is named by its number."""
    objects: list[Any] = [dict(zip(FIELDS, row, strict=True)) for row in ROWS]
    text = json.dumps(objects, indent=indent).replace("\n", end)
    assert read(read_json_lines, f"{end} {text}{end}".encode(encoding)) == (ROWS, [])
    objects[1:1] = ["},{", {"run_number": "]"}, 5]
    good, bad = read(read_json_lines, json.dumps(objects, indent=indent).encode(encoding))
    assert good == ROWS
    assert [(each.line, each.unit) for each in bad] == [(n, "element") for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "does not end: the file is cut behind element 0"),
        ('[{"a": 1}, {"a"', "cut behind element 1"),
        ("[] x", "more behind the array: 'x'"),
        ("[1]}", "more behind the array"),
        pytest.param('["' + "x" * 17 * 2**20, "longer than", marks=pytest.mark.slow),
    ],
)
def test_an_array_that_is_broken_is_named(text: str, problem: str):
    """A cut file is an error that says where, never a short load."""
    with pytest.raises(FileFormatError, match=problem):
        read(read_json_lines, text.encode())


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7])
def test_an_array_is_cut_the_same_wherever_a_piece_ends(piece_bytes: int, monkeypatch):
    """In the middle of a string, behind a backslash, between brackets."""
    monkeypatch.setattr(json_array, "_PIECE_BYTES", piece_bytes)
    values = ["\\", '\\",[{', {"a,]": [["}"], []]}, [[[]]], 12345, None, "é"]
    for ascii_only in (True, False):
        text = json.dumps(values, ensure_ascii=ascii_only).encode()
        found = [json.loads(each) for _, each in json_array.elements(io.BytesIO(text[1:]))]
        assert found == values


def test_odd_elements_of_an_array():
    """An empty array holds nothing; a comma too many is an element that is refused."""
    assert read(read_json_lines, b"[ ]") == ([], [])
    _, bad = read(read_json_lines, b"[{},,{}x,]")
    assert [each.line for each in bad] == [1, 2, 3, 4]


@given(st.binary(max_size=200), st.sampled_from([*READERS.values(), read_json_lines, read_parquet]))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_rows_or_a_sentence(data: bytes, reader: Callable[..., Any]):
    """No file ends in a traceback."""
    for text in (data, b"run_number,event_number,dsid_raw,fuid_raw\r" + data, b"[" + data):
        with suppress(FileFormatError, OSError):
            _, bad = read(reader, text)
            assert all(each.problem for each in bad)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_telescope_lines_of_any_editor(end: str, encoding: str):
    """A dump in another encoding or with other line ends has the same records."""
    lines = ['{"RunNumber": 1}', '{"RunNumber": 2}']
    (block,) = read_records(io.BytesIO(end.join([*lines, ""]).encode(encoding)))
    assert block.records == [line.encode() for line in lines]


def test_forms_by_command():
    """The command takes them all and says where a bad row is."""
    Path("mac.csv").write_bytes(csv_of(ROWS).replace("\n", "\r").encode("utf-16"))
    Path("excel.csv").write_text("sep=;\n" + csv_of(ROWS, ";", tuple(map(str.upper, FIELDS))))
    Path("array.json").write_text(json.dumps([dict(zip(FIELDS, row, strict=True)) for row in ROWS]))
    Path("lines.jsonl").write_bytes(json_of(ROWS).encode("utf-8-sig"))
    names = ("mac.csv", "excel.csv", "array.json", "lines.jsonl")
    assert "1,200 good, 0 refused" in run("load", *names, "--dry-run").stderr
    Path("array.json").write_text("[1, 2")
    result = run("load", "array.json", "--dry-run")
    assert result.exit_code == 2
    assert "array.json: element 1: 1 is not an object" in result.stderr
    assert "array.json: the array does not end" in result.stderr


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_an_option_beside_a_column_is_told(suffix: str):
    """A file's own dataset counts, and whoever gave another one is told so once."""
    rows = [(run_number, event, 1, *rest) for run_number, event, _, *rest in ROWS[:3]]
    columns_of = dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
    if suffix == "parquet":
        parquet.write_table(pa.table(columns_of), "a.parquet")
    elif suffix == "csv":
        Path("a.csv").write_text(csv_of(rows))
    else:
        lines = [json.dumps(dict(zip(FIELDS, row, strict=True))) for row in rows]
        Path("a.jsonl").write_text("\n".join(lines))
    told = run("load", f"a.{suffix}", "--dsid", 9, "--dry-run").stderr
    assert told.count("has dsid_raw itself; the option is for files without") == 1
