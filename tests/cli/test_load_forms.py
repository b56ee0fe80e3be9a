"""Files as people have them: encodings, line ends, delimiters, headers, and types of Arrow."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from eventindex.cli.event_files.arrow_csv import read_csv_fast
from eventindex.cli.event_files.fields import FIELDS
from eventindex.cli.event_files.parquet_in import read_parquet
from eventindex.cli.event_files.rows import BadRow, Defaults, EventBlock, FileFormatError
from eventindex.cli.event_files.text import read_csv, read_json_lines, read_records
from tests.support.load import columns, fuid, run

pytestmark = pytest.mark.usefixtures("in_own_directory")


ROWS = [(1, event, [5, 2**64 - 1, 0][event % 3], 7, fuid(event % 2)) for event in range(300)]
READERS: dict[str, Callable[..., Any]] = {"arrow": read_csv_fast, "rows": read_csv}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
ENDS = ["\n", "\r\n", "\r"]


def read(reader: Callable[..., Any], data: bytes, **given: Any) -> tuple[list, list[BadRow]]:
    bad: list[BadRow] = []
    blocks = reader(io.BytesIO(data), Defaults(**given), bad.append, *[lambda _: None][
        : reader is read_parquet])  # fmt: skip
    return [event for block in blocks for event in events_of(block)], bad


def events_of(block: EventBlock) -> list[tuple]:
    parts = block.columns
    olt = np.zeros(len(block), np.uint64) if parts.olt_results is None else parts.olt_results
    files = [parts.files[place - 1][:2] for place in np.asarray(parts.file_indexes).tolist()]
    return [
        (run, event, bits, dsid, name)
        for run, event, bits, (name, dsid) in zip(
            np.asarray(parts.run_numbers).tolist(), np.asarray(parts.event_numbers).tolist(),
            np.asarray(olt).tolist(), files, strict=True,
        )
    ]  # fmt: skip


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
        ('["' + "x" * 17 * 2**20, "longer than"),
    ],
)
def test_an_array_that_is_broken_is_named(text: str, problem: str):
    """A cut file is an error that says where, never a short load."""
    with pytest.raises(FileFormatError, match=problem):
        read(read_json_lines, text.encode())


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


IDS = [uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=1)]
TEXTS = list(map(str, IDS))
BYTES = [each.bytes for each in IDS]
UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), pa.array(BYTES, pa.binary(16)))
FILE_IDS = {
    **{str(kind): pa.array(TEXTS, kind) for kind in (
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
        pa.binary_view())},
    "16 bytes": pa.array(BYTES, pa.binary(16)),
    "16 bytes of any length": pa.array(BYTES, pa.binary()),
    "16 bytes in a view": pa.array(BYTES, pa.binary_view()),
    "uuid": UUIDS,
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "dictionary of large": pa.array(TEXTS, pa.large_string()).dictionary_encode(),
    "dictionary of 16 bytes": pa.array(BYTES, pa.binary(16)).dictionary_encode(),
}  # fmt: skip
NUMBERS = {
    **{str(kind): pa.array([5, 6, 7], kind) for kind in (
        pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(),
        pa.uint64(), pa.decimal32(9), pa.decimal64(18), pa.decimal128(20), pa.decimal256(40))},
    "dictionary": pa.array([5, 6, 7]).dictionary_encode(),
    "dictionary of decimals": pa.array([Decimal(n) for n in (5, 6, 7)],
                                       pa.decimal128(20)).dictionary_encode(),
}  # fmt: skip


def parquet_of(**changed: pa.Array) -> bytes:
    plain = {name: pa.array([5, 6, 7]) for name in FIELDS} | {"fuid_raw": pa.array(TEXTS)}
    out = io.BytesIO()
    parquet.write_table(pa.table(plain | changed), out)
    return out.getvalue()


@pytest.mark.parametrize("ids", FILE_IDS.values(), ids=FILE_IDS)
def test_file_ids_of_every_type(ids: pa.Array):
    """Text of every kind, 16 bytes and UUIDs, plain or in dictionaries, are file ids."""
    good, bad = read(read_parquet, parquet_of(fuid_raw=ids))
    assert ([row[4] for row in good], bad) == (TEXTS, [])


@pytest.mark.parametrize("field", FIELDS[:4])
@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_every_type(field: str, numbers: pa.Array):
    """Integers of every width and decimals without a fraction are numbers."""
    good, bad = read(read_parquet, parquet_of(**{field: numbers}))
    assert ([row[FIELDS.index(field)] for row in good], bad) == ([5, 6, 7], [])


WRONG_TYPES = [
    pa.array([5.0, 6, 7]), pa.array([5, 6, 7], pa.float32()), pa.array([True, False, True]),
    pa.array([Decimal("5.0")] * 3, pa.decimal128(9, 1)), pa.array(["5", "6", "7"]),
    pa.array([None] * 3), pa.array([[5], [6], [7]]), pa.array([{"a": 5}] * 3),
    pa.array([5, 6, 7], pa.timestamp("s")), pa.array([5, 6, 7], pa.date32()),
    pa.array([5, 6, 7], pa.duration("s")), pa.array([5, 6, 7], pa.time32("s")), UUIDS,
    pa.array([True, False, True]).cast(pa.int8()).dictionary_encode().cast(pa.float64()),
    pa.array([b"x"] * 3), pa.array(["5", "6", "7"]).dictionary_encode(),
    pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1, 1], pa.int8())),
]  # fmt: skip


@pytest.mark.parametrize("column", WRONG_TYPES, ids=lambda column: str(column.type))
def test_columns_of_another_type_are_named(column: pa.Array):
    """A column that cannot hold the field is refused with its name and type before anything."""
    for field in FIELDS[:4]:
        with pytest.raises(FileFormatError, match=f"column '{field}' has the type .*, not integ"):
            read(read_parquet, parquet_of(**{field: column}))
    Path("a.parquet").write_bytes(parquet_of(event_number=column))
    result = run("load", "a.parquet", "--dry-run")
    assert result.exit_code == 2
    assert "a.parquet: column 'event_number' has the type" in result.stderr


@pytest.mark.parametrize(
    "column",
    [
        pa.array([5, None, 7]), pa.array([5, None, 7]).dictionary_encode(),
        pa.array([5, 2**63, 7], pa.uint64()), pa.array([5, -1, 7]), pa.array([5, -1, 7], pa.int8()),
        pa.array([Decimal(5), Decimal(-1), None], pa.decimal128(20))[:2],
        pa.array([Decimal(5), Decimal(2**64), None], pa.decimal128(30))[:2],
        pa.array([5, None], pa.decimal256(50)),
    ],
    ids=lambda column: str(column.type),
)  # fmt: skip
def test_values_out_of_range_are_named(column: pa.Array):
    """Of every type a null and a number out of range are refused rows, and the others go in."""
    count = len(column)
    fields = {name: pa.array([5, 6, 7][:count]) for name in FIELDS}
    fields |= {"fuid_raw": pa.array(TEXTS[:count]), "event_number": column}
    good, bad = read(read_parquet, parquet_of(**fields))
    assert len(good) == count - 1
    assert [(each.line, each.unit) for each in bad] == [(2, "row")]
    assert bad[0].problem.startswith("event_number: ")


def test_signed_bits_of_parquet():
    """A signed column of olt_result, as the view gives it, is the same 64 bits."""
    for bits in (pa.array([-1, -(2**63), 5]), pa.array([-1, -(2**63), 5]).dictionary_encode()):
        good, bad = read(read_parquet, parquet_of(olt_result=bits))
        assert ([row[2] for row in good], bad) == ([2**64 - 1, 2**63, 5], [])


def test_file_ids_that_are_none_are_named():
    """Nulls, other texts and 16 bytes that are text are told apart, in every kind of column."""
    for ids in ([None, "x", TEXTS[0]], [TEXTS[0][:16], None, TEXTS[0]]):
        for kind in (pa.string(), pa.string_view(), pa.large_string()):
            for column in (pa.array(ids, kind), pa.array(ids).dictionary_encode()):
                good, bad = read(read_parquet, parquet_of(fuid_raw=column))
                assert ([row[4] for row in good], [each.line for each in bad]) == (
                    TEXTS[:1],
                    [1, 2],
                )
    good, bad = read(read_parquet, parquet_of(fuid_raw=pa.array([None] * 3, pa.uuid())))
    assert (good, len(bad)) == ([], 3)


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
