"""Rows that `eventindex load` refuses: found, named and kept as they came."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from eventindex.cli.event_files.arrow_csv import read_csv_fast
from eventindex.cli.event_files.fields import FIELDS
from eventindex.cli.event_files.rows import BadRow, Defaults, EventBlock
from eventindex.cli.event_files.text import read_csv
from tests.conftest import execute
from tests.support.command import run
from tests.support.ingest import count_events
from tests.support.load import EVENTS, columns, csv_text, fuid, parquet_bytes

pytestmark = pytest.mark.usefixtures("in_own_directory")


DATA = Path(__file__).parents[1] / "data"


def bad_rows(read, text: bytes, defaults: Defaults | None = None):
    """What a reader makes of a text: the events with their lines and rows, and the bad rows."""
    bad: list[BadRow] = []
    good: list[tuple[object, ...]] = []
    for block in read(io.BytesIO(text), defaults or Defaults(), bad.append):
        good.extend(events_of(block))
    return good, bad


def events_of(block: EventBlock) -> list[tuple[object, ...]]:
    parts = block.columns
    count = len(block)
    olt = np.zeros(count, np.uint64) if parts.olt_results is None else parts.olt_results
    return [
        (run, event, int(bits), *parts.files[file - 1][:2], int(line), block.row(index))
        for index, (run, event, bits, file, line) in enumerate(
            zip(
                np.asarray(parts.run_numbers).tolist(),
                np.asarray(parts.event_numbers).tolist(),
                np.asarray(olt),
                np.asarray(parts.file_indexes).tolist(),
                block.lines,
                strict=True,
            )
        )
    ]


@pytest.mark.parametrize("seed", range(8))
def test_both_ways_to_read_csv_agree(seed: int):
    """Arrow's way and the row-by-row way see the same events, lines, bad rows and reasons."""
    draw = random.Random(seed)
    lines = []
    for number in range(400):
        event: list[object] = [1 + number % 3, number, number % 5, 7, fuid(number // 50)]
        if draw.random() < 0.1:
            odd = ["", "x", "-1", "1.0", "0x10", " 12 ", "+3", 2**31, 2**63, 2**64, "007", "٣",
                   fuid(9).upper(), f" {fuid(9)} ", fuid(9)[1:], "\xff"]  # fmt: skip
            event[draw.randrange(5)] = draw.choice(odd)
        line = ",".join(map(str, event))
        lines.append(draw.choice([line, line + ",1", line[:-40], ""]) if not number % 37 else line)
    text = "\n".join([",".join(FIELDS), *lines]) + draw.choice(["", "\n"])
    data = text.replace("\n", draw.choice(["\n", "\r\n", "\r"])).encode("latin-1", "replace")
    good, bad = bad_rows(read_csv_fast, data)
    assert (good, bad) == bad_rows(read_csv, data)
    assert len(good) > 300
    assert len(bad) > 5


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("run_number", None, "run_number: None is not an integer"),
        ("event_number", -1, f"event_number: -1 is outside 0 to {2**63 - 1}"),
        ("olt_result", None, "olt_result: None is not an integer"),
        ("dsid_raw", 2**31, f"dsid_raw: {2**31} is outside 0 to {2**31 - 1}"),
        ("fuid_raw", "no", "fuid_raw: 'no' is not a UUID"),
        ("fuid_raw", None, "fuid_raw: None is not a UUID"),
    ],
)
def test_bad_rows_of_parquet_are_named(name: str, value: object, problem: str):
    """A bad row is named with its number, field and value; --dry-run needs no service for that."""
    events = columns(EVENTS[:3])
    events[name][1] = value  # type: ignore[call-overload]
    fields = {
        key: pa.array(values, pa.string() if key == "fuid_raw" else pa.int64())
        for key, values in events.items()
    }
    Path("a.parquet").write_bytes(parquet_bytes(fields))
    result = run("load", "a.parquet", "--dry-run", "--reject-file", "r.jsonl")
    assert result.exit_code == 3
    assert f"a.parquet: row 2: {problem}" in result.stderr
    assert "dry run: 2 good, 1 refused, nothing stored" in result.stderr
    (reject,) = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert (reject["line"], reject["row"]) == (2, {k: v[1] for k, v in events.items()})


@pytest.mark.usefixtures("services")
def test_refused_rows_are_written_as_they_came(database_url: str):
    """Rows that this side and rows that the service refuses are in the file, with the reasons."""
    Path("seen.csv").write_bytes(csv_text([(1, 1, 0, 66, fuid(1))]))
    assert run("load", "seen.csv").exit_code == 0
    execute(database_url, "UPDATE dataset SET state = 2 WHERE dsid_raw = 66")
    rows = [f"1,{event},0,{66 if event == 5 else 7},{fuid(2)}" for event in range(8)]
    rows[2] = f"1,x,0,7,{fuid(2)}"
    Path("a.csv").write_text("\n".join([",".join(FIELDS), *rows]))
    quoted = [*rows[:5], f'1,"5",0,"66",{fuid(2)}']
    Path("b.csv").write_text("\n".join([",".join(FIELDS), *quoted]))
    result = run("load", "a.csv", "b.csv", "--reject-file", "r.jsonl")
    assert result.exit_code == 3
    assert "4 refused" in result.stderr
    rejects = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    by_place = {(r["file"], r["line"]): (r["row"], r["reason"]) for r in rejects}
    assert by_place["a.csv", 4][0] == by_place["b.csv", 4][0] == rows[2]
    assert "event_number: 'x'" in by_place["a.csv", 4][1]
    assert by_place["a.csv", 7][0] == rows[5]
    assert "frozen" in by_place["a.csv", 7][1]
    assert by_place["b.csv", 7][0] == quoted[5]
    assert len(by_place) == 4


def test_dry_run_checks_telescope_records_as_the_service_does():
    """The dump is good; a record without a run, and one that is no JSON, are refused."""
    assert "3 good, 0 refused" in run("load", DATA / "dump.dat", "--dry-run").stderr
    Path("bad.dat").write_bytes((DATA / "dump.dat").read_bytes() + b'\n{"DetectorId": 1}\nno\n')
    result = run("load", "bad.dat", "--dry-run", "--reject-file", "r.jsonl")
    assert result.exit_code == 3
    assert "3 good, 2 refused" in result.stderr
    rejects = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert [reject["row"] for reject in rejects] == ['{"DetectorId": 1}', "no"]


@pytest.mark.usefixtures("services")
def test_dry_run_stores_nothing(database_url: str):
    """What a dry run found good is not in the index."""
    Path("a.csv").write_bytes(csv_text(EVENTS))
    assert "3,000 good, 0 refused, nothing stored" in run("load", "a.csv", "--dry-run").stderr
    assert count_events(database_url) == 0
