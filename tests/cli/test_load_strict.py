"""load against a dictionary: what is read, what is refused, and in which words."""

from __future__ import annotations

import csv
import io
import json
import uuid
from pathlib import Path

import pytest

from eventindex.cli.event_files.fields import BadFieldError, parse_json_object
from tests.support.client import Server, fuid
from tests.support.command import CSV_HEADER, DATA, run


def test_load_csv(server: Server, tmp_path: Path):
    """A CSV file with all columns in any order is stored; again, it is known."""
    rows = ["fuid_raw,event_number,run_number,dsid_raw,olt_result"]
    rows += [f"{fuid(5)},{event},{2**63 - 1},3,{2**64 - 1}" for event in range(25_000)]
    (tmp_path / "events.csv").write_text("\n".join(rows))
    first = run("load", "events.csv")
    assert (first.exit_code, first.stderr.splitlines()[-1]) == (
        0,
        "25,000 inserted, 0 duplicates, 0 conflicts, 0 refused",
    )
    assert "0 inserted, 25,000 duplicates" in run("load", "events.csv").stderr
    assert server.store[2**63 - 1, 24_999] == (fuid(5), 3, 2**64 - 1)


def test_load_json_lines(server: Server, tmp_path: Path):
    """JSON lines are stored; blank lines are skipped."""
    event = {
        "run_number": 9,
        "event_number": 4,
        "olt_result": 5,
        "dsid_raw": 6,
        "fuid_raw": fuid(7),
    }
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n\n")
    assert run("load", "events.jsonl").exit_code == 0
    assert server.store[9, 4] == (fuid(7), 6, 5)


def test_load_a_dump_of_telescope_events(server: Server):
    """The lines of a telescope's dump go in as they stand."""
    result = run("load", str(DATA / "dump.dat"), "--detector", "d0")
    assert result.exit_code == 0
    assert "3 inserted" in result.stderr
    lines = (DATA / "dump.dat").read_bytes().splitlines()
    assert server.ingest.cosmic == [("d0", line) for line in lines]


def test_load_with_a_file_made_up_for_each_run(server: Server):
    """The CMS sample has 500 events and 1,804 repeats; its rows are answered in their order."""
    sample = str(DATA / "cms_zmumu_run2010.csv")
    result = run("load", sample, "--fuid-per-run", "--dsid", "7")
    assert "500 inserted, 1,804 duplicates" in result.stderr
    rows = list(csv.DictReader(io.StringIO(run("lookup", sample, "--format", "csv").stdout)))
    asked = list(csv.DictReader((DATA / "cms_zmumu_run2010.csv").read_text().splitlines()))
    assert len(rows) == 2304
    for row, pair in zip(rows, asked, strict=True):
        assert (row["run_number"], row["event_number"]) == (
            pair["run_number"],
            pair["event_number"],
        )
        name = f"eventindex:load/{pair['run_number']}"
        assert row["fuid_raw"] == str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"1,x,0,1,{fuid(1)}", "event_number: 'x' is not an integer"),
        (f"1,1.0,0,1,{fuid(1)}", "event_number: '1.0' is not an integer"),
        (f"1,٣,0,1,{fuid(1)}", "event_number: '٣' is not an integer"),
        (f"-1,1,0,1,{fuid(1)}", "run_number: '-1' is not an integer"),
        (f"{2**63},1,0,1,{fuid(1)}", f"run_number: {2**63} is outside 0 to {2**63 - 1}"),
        (f"1,1,{2**64},1,{fuid(1)}", "olt_result: 18446744073709551616 is outside"),
        (f"1,1,0,{2**31},{fuid(1)}", "dsid_raw: 2147483648 is outside"),
        (f"1,1,0,1,{{{fuid(1)}}}", "fuid_raw: '{0000"),
        (f"1,1,0,1,{fuid(1).replace('-', '')}", "is not a UUID"),
        (f"1,1,0,,{fuid(1)}", "dsid_raw: '' is not an integer"),
        ("1,1,0,1", "4 fields, not 5"),
        (f'1,1,0,1,"{fuid(1)}"x', "expected after"),
        (f"1,1,0,666,{fuid(1)}", "dataset 666 is frozen"),
    ],
)
def test_load_names_bad_rows(server: Server, tmp_path: Path, row: str, problem: str):
    """A bad row is reported with line, field and value, the others are stored, and exit is 3."""
    (tmp_path / "e.csv").write_text(f"{CSV_HEADER}50,1,0,1,{fuid(1)}\n{row}\n50,2,0,1,{fuid(1)}\n")
    result = run("load", "e.csv")
    assert result.exit_code == 3
    assert "e.csv: line 3: " in result.stderr
    assert problem in result.stderr
    assert "2 inserted, 0 duplicates, 0 conflicts, 1 refused" in result.stderr
    assert (50, 2) in server.store


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[1]", "not an object"),
        (b"nonsense", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 1}', "key 'a' is repeated"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "5000 digits"),
        (b'{"a": 1} {', "Extra data"),
    ],
)
def test_json_is_strict(line: bytes, problem: str):
    """What RFC 8259 does not know is refused with a reason."""
    with pytest.raises(BadFieldError, match=problem):
        parse_json_object(line)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"run_number": True}, "run_number: True is not an integer"),
        ({"run_number": 1.0}, "run_number: 1.0 is not an integer"),
        ({"run_number": "1"}, "run_number: '1' is not an integer"),
        ({"event_number": None}, "event_number: None is not an integer"),
        ({"fuid_raw": 5}, "fuid_raw: 5 is not a UUID"),
        ({"extra": 5}, "extra: is not a field of an event"),
    ],
)
def test_json_fields_are_held_to_the_contract(
    server: Server, tmp_path: Path, change: dict[str, object], problem: str
):
    """Booleans, reals, text for numbers and unknown fields are refused by name."""
    event = {
        "run_number": 9,
        "event_number": 4,
        "olt_result": 5,
        "dsid_raw": 6,
        "fuid_raw": fuid(7),
    }
    (tmp_path / "e.jsonl").write_text(json.dumps(event | change))
    result = run("load", "e.jsonl")
    assert result.exit_code == 3
    assert f"e.jsonl: line 1: {problem}" in result.stderr


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("run_number,event_number\n1,2\n", [], "no column 'dsid_raw'; give --dsid"),
        ("run_number,event_number,dsid_raw\n", [], "give --fuid or --fuid-per-run"),
        ("run_number,evnt\n1,2\n", [], "unknown column 'evnt'"),
        ("run_number,run_number\n", [], "column 'run_number' is there twice"),
        ("1,2\n", [], "unknown column '1'"),
        ("", [], "e.csv: the file is empty"),
        ("\n", [], "no column 'run_number'"),
        ("run_number,event_number\n", ["--dsid", "1", "--fuid", "x"], "'x' is not a UUID"),
        ("", ["--fuid", fuid(1), "--fuid-per-run"], "exclude each other"),
    ],
)
def test_load_bad_usage(
    server: Server, tmp_path: Path, text: str, options: list[str], problem: str
):
    """A file that cannot be read as it is, or options that do not go together, exit with 2."""
    (tmp_path / "e.csv").write_text(text)
    result = run("load", "e.csv", *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_telescope_lines_in_a_file_of_events(server: Server, tmp_path: Path):
    """Lines as `files cat` prints them are refused with the option that reads them."""
    (tmp_path / "x.jsonl").write_bytes((DATA / "dump.dat").read_bytes())
    result = run("load", "x.jsonl")
    assert result.exit_code == 3
    assert "telescope events need --format dat" in result.stderr.splitlines()[0]
    assert run("load", "x.jsonl", "--format", "dat", "--dry-run").exit_code == 0


def test_load_needs_a_format_it_knows(server: Server, tmp_path: Path):
    """A name that does not tell the format needs --format."""
    (tmp_path / "events.txt").write_text("")
    assert "give --format" in run("load", "events.txt").stderr
    assert run("load", "nofile.csv").exit_code == 2


def test_other_columns_and_delimiters_are_asked_for(server: Server, tmp_path: Path):
    """Columns beside the fields are passed over where one says so; any delimiter can be said."""
    path = tmp_path / "e.csv"
    path.write_text(f"{CSV_HEADER.strip()},mass\n81,1,0,7,{fuid(1)},3.1\n")
    refused = run("load", str(path))
    assert (refused.exit_code, "--ignore-extra passes over" in refused.stderr) == (2, True)
    assert "1 inserted" in run("load", str(path), "--ignore-extra").stderr
    path.write_text(path.read_text().replace(",", "|"))
    unread = run("load", str(path), "--ignore-extra")
    assert (unread.exit_code, "--delimiter says" in unread.stderr) == (2, True)
    assert (
        "0 inserted, 1 dup" in run("load", str(path), "--ignore-extra", "--delimiter", "|").stderr
    )
    assert run("load", str(path), "--delimiter", "||").exit_code == 2
    lines = tmp_path / "e.jsonl"
    row = {"run_number": 81, "event_number": 1, "olt_result": 0, "dsid_raw": 7, "fuid_raw": fuid(1)}
    lines.write_text(json.dumps({**row, "mass": 3.1}) + "\n")
    assert "--ignore-extra" in run("load", str(lines)).stderr
    assert "1 duplicates" in run("load", str(lines), "--ignore-extra").stderr
