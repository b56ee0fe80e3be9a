"""Files of Parquet and Arrow as people have them: types of identifiers and numbers."""

from __future__ import annotations

import io
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from eventindex.cli.event_files.fields import FIELDS
from eventindex.cli.event_files.parquet_in import read_parquet
from eventindex.cli.event_files.rows import FileFormatError
from tests.support.command import run
from tests.support.load import read

# Relative names are in a directory of the test's own.
pytestmark = pytest.mark.usefixtures("in_own_directory")

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
