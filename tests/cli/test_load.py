"""`eventindex load`: every format, compression and option, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.command import run
from tests.support.ingest import count_events
from tests.support.load import (
    EVENTS,
    csv_text,
    fuid,
    index_has,
    json_text,
    parquet_bytes,
    parquet_text,
    zst,
)

pytestmark = pytest.mark.usefixtures("in_own_directory")


@pytest.mark.usefixtures("services")
def test_every_format_gives_the_same_index():
    """All formats, compressions and types of a file id hold the same events: then, duplicates."""
    files = {
        "a.csv": csv_text(EVENTS),
        "a.csv.gz": gzip.compress(csv_text(EVENTS)),
        "two_frames.csv.zst": zst(csv_text(EVENTS)[:999]) + zst(csv_text(EVENTS)[999:]),
        "quoted.csv": csv_text(EVENTS).replace(b",7,", b',"7",'),
        "crlf.csv": b"\xef\xbb\xbf" + csv_text(EVENTS).replace(b"\n", b"\r\n"),
        "a.jsonl": json_text(EVENTS),
        "a.ndjson.zst": zst(json_text(EVENTS)),
        "text.parquet": parquet_text(EVENTS),
        "dictionary.parquet": parquet_text(EVENTS, pa.dictionary(pa.int32(), pa.string())),
        "bytes.parquet": parquet_text(EVENTS, pa.binary(16)),
        "uuid.parquet": parquet_text(EVENTS, pa.uuid()),
        "a.parquet.gz": gzip.compress(parquet_text(EVENTS)),
    }
    for number, (name, data) in enumerate(files.items()):
        Path(name).write_bytes(data)
        result = run("load", name)
        words = "3,000 duplicates" if number else "3,000 inserted"
        assert words in result.stderr, (name, result.stderr)
        assert result.exit_code == 0
    index_has(EVENTS)


@pytest.mark.usefixtures("services")
def test_patterns_standard_input_and_many_files():
    """A pattern stands for its files in order, - for standard input, compressed or not."""
    for part in range(3):
        Path(f"part{part}.csv").write_bytes(csv_text(EVENTS[part * 500 : part * 500 + 500]))
    assert "1,500 inserted" in run("load", "part[0-9].csv").stderr
    packed = gzip.compress(csv_text(EVENTS[1500:2000]))
    assert "500 inserted" in run("load", "-", "--format", "csv", text=packed).stderr
    stdin = parquet_text(EVENTS[2000:])
    assert "1,000 inserted" in run("load", "-", "--format", "parquet", text=stdin).stderr
    index_has(EVENTS)


@pytest.mark.usefixtures("services")
def test_columns_are_mapped_and_filled_in():
    """Other names are mapped, other columns passed over, and options stand in for what lacks."""
    text = "EvtNo,lumi,guid\n" + "".join(f"{event},0.5,{fuid(1)}\n" for event in range(9))
    Path("a.csv").write_text(text)
    fields = {
        "EvtNo": pa.array(range(9, 20)),
        "lumi": pa.array([0.5] * 11),
        "guid": pa.array([fuid(1)] * 11),
    }
    Path("a.parquet").write_bytes(parquet_bytes(fields))
    line = json.dumps({"EvtNo": 20, "lumi": 0.5, "guid": fuid(1), "olt_result": 0})
    Path("a.jsonl").write_text(line)
    names = ["--columns", "event_number=EvtNo,fuid_raw=guid", "--run", 8, "--dsid", 3]
    result = run("load", "a.csv", "a.parquet", "a.jsonl", *names)
    assert "21 inserted" in result.stderr
    index_has([(8, event, 0, 3, fuid(1)) for event in range(21)])


@pytest.mark.usefixtures("services")
def test_a_file_id_for_each_run_of_a_parquet_file():
    """--fuid-per-run makes up the same file id for a run whatever the format."""
    fields = {"run_number": pa.array([4, 4, 5]), "event_number": pa.array([1, 2, 3])}
    Path("a.parquet").write_bytes(parquet_bytes(fields))
    Path("a.csv").write_text("run_number,event_number\n4,1\n4,2\n5,3\n")
    options = ["--fuid-per-run", "--dsid", 1]
    assert "3 inserted" in run("load", "a.parquet", *options).stderr
    assert "3 duplicates" in run("load", "a.csv", *options).stderr


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_damaged_file_is_a_failure(pack, database_url: str):
    """What was read before the damage is stored; the message names the file, and exit is 1."""
    events = [(1, event, 0, 7, EVENTS[event % 2][4]) for event in range(200_000)]
    Path("cut.csv").write_bytes(pack(csv_text(events))[:-200])
    result = run("load", "cut.csv")
    assert result.exit_code == 1
    assert "cut.csv: damaged compressed data" in result.stderr
    assert "load again to go on" in result.stderr
    assert 0 < count_events(database_url) < 200_000


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none*.csv"], "no file matches 'none*.csv'"),
        (["nofile.csv"], "nofile.csv: no such file"),
        (["."], "is a directory"),
        (["a.txt"], "a.txt: give --format"),
        (["a.parquet"], "a.parquet: no Parquet file"),
        (["real.parquet"], "column 'event_number' has the type double, not integers"),
        (["few.parquet"], "no column 'event_number'"),
        (["a.csv", "--columns", "run=x"], "'run' is not a field"),
        (["a.csv", "--columns", "dsid_raw"], "'dsid_raw' is not FIELD=COLUMN"),
        (["a.csv", "--columns", "dsid_raw=d"], "no column 'd'"),
        (["a.csv", "--reject-file", "a.csv"], "is one of the files to load"),
        (["a.csv", "--run", "-1"], "--run"),
        (["-", "-", "--format", "csv"], "can be read once"),
    ],
)
def test_bad_usage(arguments: list[str], problem: str):
    """What cannot be meant exits with 2 and says what is wrong."""
    for name in ("a.csv", "a.txt", "a.parquet"):
        Path(name).write_bytes(csv_text(EVENTS[:1]))
    values = {"run_number": pa.array([1]), "event_number": pa.array([1.0])}
    more = {"dsid_raw": pa.array([1]), "fuid_raw": pa.array([fuid(1)])}
    Path("real.parquet").write_bytes(parquet_bytes(values | more))
    Path("few.parquet").write_bytes(parquet_bytes({"run_number": pa.array([1])} | more))
    result = run("load", *arguments, "--dry-run", text="")
    assert result.exit_code == 2
    assert problem in result.stderr


def test_headers_are_checked_first():
    """A later file with a wrong header, packed too, is found before a service is even asked."""
    Path("a1.csv").write_bytes(csv_text(EVENTS))
    for name, pack in (("a2.csv", bytes), ("a2.csv.gz", gzip.compress)):
        Path(name).write_bytes(pack(b"run_number,wrong\n1,2\n"))
        result = run("load", "a1.csv", name)
        assert result.exit_code == 2
        assert f"{name}: unknown column 'wrong'" in result.stderr


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("text", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_is_called_empty(
    text: bytes, installed: bool, monkeypatch: pytest.MonkeyPatch
):
    """A CSV file without a header is bad usage, from standard input too."""
    if not installed:
        monkeypatch.setattr("eventindex.stored_text.find_spec", lambda _: None)
    Path("empty.csv").write_bytes(text)
    for arguments in (["empty.csv"], ["-", "--format", "csv"]):
        result = run("load", *arguments, "--dry-run", text=text)
        assert result.exit_code == 2
        assert f"{arguments[0]}: the file is empty" in result.stderr


@pytest.mark.usefixtures("services")
def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch):
    """CSV and gz need nothing more; Parquet and zst say what to install."""
    monkeypatch.setattr("eventindex.stored_text.find_spec", lambda _: None)
    Path("a.csv.gz").write_bytes(gzip.compress(csv_text(EVENTS)))
    assert "3,000 inserted" in run("load", "a.csv.gz").stderr
    Path("a.csv.zst").write_bytes(zst(csv_text(EVENTS)))
    Path("a.parquet").write_bytes(parquet_text(EVENTS))
    for name in ("a.csv.zst", "a.parquet"):
        result = run("load", name)
        assert result.exit_code == 1
        assert "pip install 'eventindex[parquet]'" in result.stderr


def test_progress_in_plain_lines(monkeypatch: pytest.MonkeyPatch):
    """Beside a terminal there is a line now and then with events, rate and time left."""
    monkeypatch.setattr("eventindex.cli.shared.progress._PLAIN_LINE_SECONDS", 0.0)
    Path("a.csv").write_bytes(csv_text(EVENTS * 40))
    errors = run("load", "a.csv", "--dry-run").stderr
    assert re.search(r"loading: \d+% [\d,]+ events, [\d,]+/s, 0:00:0\d left", errors)
