"""Lists, counts and changes by command, with the real services."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import execute
from tests.support.client import fuid
from tests.support.command import run
from tests.support.list_commands import COSMIC_FILE, rows, table


def test_events_as_files(only_read: None, tmp_path: Path):
    """CSV, JSON lines, Parquet and gzip hold the events of a selection, and load reads them."""
    wanted = [(number, e) for number in (1, 2) for e in range(1, 101) if e & 1 and not e & 2]
    masks = ("--all", "odd", "--none", "two", "--run-last", "2")
    found = rows("events", *masks)
    assert [(int(r["run_number"]), int(r["event_number"])) for r in found] == wanted
    assert found[0] == {
        "run_number": "1",
        "event_number": "1",
        "olt_result": "1",
        "dsid_raw": "7",
        "fuid_raw": fuid(1),
    }
    for name in ("e.parquet", "e.jsonl", "e.csv.gz"):
        assert run("events", *masks, "-o", name).stderr == f"50 events in {name}\n"
    parquet = pq.read_table("e.parquet").to_pylist()
    lines = [json.loads(line) for line in Path("e.jsonl").read_text().splitlines()]
    zipped = list(
        csv.DictReader(gzip.decompress(Path("e.csv.gz").read_bytes()).decode().splitlines())
    )
    assert parquet == lines
    assert zipped == found == [{k: str(v) for k, v in line.items()} for line in lines]
    for name in ("e.parquet", "e.jsonl", "e.csv.gz"):
        assert "0 inserted, 50 duplicates" in run("load", name).stderr
    assert len(rows("events", "--any", "0x6", "--dataset", "dsid-7", "--after", "1:98")) > 10
    assert len(rows("events", "--limit", "7", "--file", fuid(1))) == 7


def test_a_collection_is_derived_from_the_index(only_read: None, tmp_path: Path):
    """What is derived from the index is what is derived from a file of its events."""
    assert run("events", "-o", str(tmp_path / "raw.csv")).exit_code == 0
    options = ("--derive", "aod", "--keep", "0.5")
    of_file = run("generate", "-o", "-", "--from", str(tmp_path / "raw.csv"), *options)
    of_index = run("generate", "-o", "-", "--from", "raw", *options)
    assert of_index.stdout == of_file.stdout, of_index.stderr
    assert len(of_index.stdout.splitlines()) > 1
    refused = run("generate", "-o", str(tmp_path / "none.csv"), "--from", "aod.v9", *options)
    assert (refused.exit_code, "aod.v9" in refused.stderr) == (2, True)
    assert not (tmp_path / "none.csv").exists()


def test_counts_by_command(only_read: None):
    """Counts are tables with the names of criteria, and exact for machines."""
    assert run("counts", "--run", "1").stdout == "100 events in all\n"
    assert rows("counts", "--by", "run", "--run-last", "9")[0] == {
        "run_number": "1",
        "events": "100",
    }
    bits = table("counts", "--by", "bit", "--run", "1")
    assert bits[:3] == [
        ["bit", "criterion", "events", "share"],
        ["0", "odd", "50", "50.00%"],
        ["1", "two", "50", "50.00%"],
    ]
    matrix = table("counts", "--by", "overlap", "--run", "1")
    both = [sum(e & 1 and e >> bit & 1 for e in range(1, 101)) for bit in range(7)]
    assert matrix[0] == ["bit", *map(str, range(7))]
    assert matrix[1] == ["0", "odd", *map(str, both)]


def test_lists_by_command(only_read: None):
    """runs, datasets and files list what is there, as a table, CSV and JSON."""
    assert [row["run_number"] for row in rows("runs")] == ["1", "2"]
    assert [row["run_number"] for row in rows("runs", "--detector", "0")] == ["12345"]
    assert [row["name"] for row in rows("datasets", "--name", "dsid")] == ["dsid-7", "dsid-8"]
    found = json.loads(run("files", "--dataset", "dsid-7", "--format", "json").stdout)
    assert [(f["fuid_raw"], f["run_number"], f["events"]) for f in found] == [
        (fuid(1), 1, 50),
        (fuid(2), 2, 50),
    ]
    assert run("files", "show", fuid(1)).stdout.splitlines() == [
        f"file        {fuid(1)}",
        "dataset     7 (open)",
        "collection  raw",
        "",
        "run  events  first  last",
        "  1      50      1    99",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["events", "--run", "77"],
        ["events", "--dataset", "nothing"],
        ["events", "--all", "nothing"],
        ["counts", "--file", fuid(0x77)],
        ["files", "--run", "77"],
        ["files", "show", fuid(0x77)],
        ["files", "cat", fuid(0x77)],
        ["conflicts", "--run", "77"],
        ["conflicts", "show", "77"],
        ["datasets", "freeze", "77"],
        ["datasets", "delete", "77", "--yes"],
        ["cosmic", "--run", "77"],
        ["verify", "--run", "77"],
        ["dead-letters", "show", "77"],
    ],
)
def test_what_is_not_there_is_one_line(only_read: None, arguments: list[str]):
    """What is asked for by name and is not in the index is one line and exit code 1."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "77" in result.stderr or "nothing" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["dead-letters", "list", "--reason", "foo"], "foo"),
        (["criteria", "set", "0", ""], "name"),
        (["datasets", "rename", "7", "dsid-8"], "dsid-8"),
    ],
)
def test_what_the_service_calls_a_mistake_is_bad_usage(
    only_read: None, arguments: list[str], problem: str
):
    """A value that the service cannot mean is exit code 2 and one line without an address."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("eventindex: ")
    assert problem in line
    assert "127.0.0.1" not in line


@pytest.mark.parametrize("command", ["events", "files"])
def test_a_dataset_that_is_not_there_is_a_failure(only_read: None, command: str):
    """Asked for by its number: exit code 1 and one line, never an empty list."""
    result = run(command, "--dataset", "77")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "eventindex: dsid_raw=77 is not in the index\n"


def test_datasets_by_command(filled: None, tmp_path: Path):
    """A dataset is named, commented, frozen, and removed while the others stay."""
    assert run("datasets", "rename", "7", "physics").exit_code == 0
    assert run("datasets", "comment", "physics", "by night").exit_code == 0
    frozen = run("datasets", "freeze", "physics")
    assert frozen.stderr == "dataset 7 (physics) is frozen: by night\n"
    row = rows("datasets", "--state", "frozen")[0]
    assert (row["dsid_raw"], row["name"], row["comment"]) == ("7", "physics", "by night")
    for known in ("physics", "7"):
        assert rows("datasets", "show", known) == [row]
    missing = run("datasets", "show", "999")
    assert (missing.exit_code, missing.stderr) == (
        1,
        "eventindex: dataset 999 is not in the index\n",
    )
    (tmp_path / "more.csv").write_text(
        f"run_number,event_number,dsid_raw,fuid_raw\n1,200,7,{fuid(1)}\n"
    )
    assert run("load", "more.csv").exit_code == 3
    closed = "eventindex: there are events of datasets that are not open: 7"
    assert run("events", "--dataset", "7", "--limit", "1").stderr == f"{closed} frozen\n"
    run("datasets", "retire", "physics")
    assert run("events", "-o", "all.csv").stderr.splitlines()[1] == f"{closed} retired"
    assert "  7 retired  " in run("files", "--dataset", "7").stdout
    assert "retired" not in run("files", "--dataset", "8").stdout
    assert rows("lookup", "1", "1")[0]["dataset_state"] == "retired"
    assert run("datasets", "delete", "physics", "--yes").stderr == "100 events removed\n"
    assert run("lookup", "1", "1").exit_code == 3
    assert run("lookup", "1", "2").exit_code == 0
    assert run("datasets", "open", "physics").exit_code == 0
    assert run("verify").exit_code == 0


def test_conflicts_by_command(filled: None, tmp_path: Path):
    """A conflict is listed, shown, and decided on by somebody with a name."""
    header = "run_number,event_number,dsid_raw,fuid_raw\n"
    (tmp_path / "other.csv").write_text(f"{header}1,1,7,{fuid(50)}\n")
    assert "1 conflicts" in run("load", "other.csv").stderr
    (row,) = rows("conflicts")
    assert (row["stored_fuid_raw"], row["offered_fuid_raw"]) == (fuid(1), fuid(50))
    assert (row["stored_olt_result"], row["offered_olt_result"]) == ("1", "0")
    number = row["conflict_id"]
    shown = run("conflicts", "show", number).stdout
    assert f"offered file     {fuid(50)}" in shown
    done = run("conflicts", "resolve", number, "--replace", "--by", "shifter")
    assert done.stderr == f"conflict {number}: replaced by shifter\n"
    assert fuid(50) in run("lookup", "1", "1").stdout
    assert "\nresolved by      shifter, " in run("conflicts", "show", number).stdout
    assert rows("conflicts") == []
    empty = run("conflicts")
    assert empty.stderr == "none\n"
    assert empty.output.splitlines()[-1] == "none"
    assert rows("conflicts", "--resolved")[0]["resolved_by"] == "shifter"


def test_a_conflict_that_is_not_there_is_not_resolved(only_read: None):
    """As everywhere, what is named and is not there is a failure, which names it."""
    for command in (
        ("conflicts", "resolve", "77", "78", "--keep", "--by", "me"),
        ("dead-letters", "discard", "77", "78", "--yes"),
        ("dead-letters", "replay", "77"),
    ):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, ""), result.stderr
        assert "77" in result.stderr


def test_criteria_by_command(filled: None):
    """A bit gets a name from a run on; a name that two bits have had is asked for by number."""
    assert run("criteria", "set", "6", "odd").exit_code == 2
    assert run("criteria", "set", "0", "old", "--from-run", "9").exit_code == 0
    assert run("criteria", "set", "5", "odd", "--from-run", "9").exit_code == 0
    assert [(r["bit"], r["name"], r["run_first"]) for r in rows("criteria")] == [
        ("0", "odd", "0"),
        ("0", "old", "9"),
        ("1", "two", "0"),
        ("5", "odd", "9"),
    ]
    result = run("counts", "--all", "odd")
    assert result.exit_code == 2
    assert "bits 0, 5" in result.stderr


def test_telescopes_by_command(only_read: None, tmp_path: Path):
    """Telescope events have real times and counts, and their RAW file loads again."""
    lines = table("cosmic", "--run", "12345")
    assert lines[0][:4] == ["run", "event", "time", "(UTC)"]
    assert lines[1][:4] == ["12345", "4917", "2019-09-19", "18:55:35"]
    assert len(rows("cosmic", "--from", "2019-09-19T18:55:36", "--to", "2019-09-20")) == 2
    assert rows("cosmic", "--count-by", "hour") == [
        {"hour": "2019-09-19T18:00:00+00:00", "events": "3"}
    ]
    assert rows("cosmic", "--count-by", "block")[0]["cosmic_block"] == "2"
    record = json.loads(run("cosmic", "--limit", "1", "--format", "json").stdout)[0]
    assert json.loads(record["payload"])["EventNumber"] == 4917
    assert len(record["tdc"]) == 2
    (tmp_path / "again.dat").write_text(run("files", "cat", COSMIC_FILE).stdout)
    assert "0 inserted, 3 duplicates" in run("load", "again.dat").stderr


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet", "x.csv.gz", "x.jsonl.zst"])
def test_events_are_a_list_for_lookup(only_read: None, name: str):
    """What `events` writes in any form goes into `lookup`, in its order."""
    wanted = [(row["run_number"], row["event_number"]) for row in rows("events")]
    assert run("events", "-o", name).exit_code == 0
    found = [(row["run_number"], row["event_number"]) for row in rows("lookup", name)]
    assert found == wanted
    assert len(wanted) == 200


def test_verify_by_command(filled: None, database_url: str):
    """verify is clean on an index that nobody touched, and finds a count that somebody changed."""
    assert run("verify").stderr == "3 runs, 203 events, 0 runs that differ\n"
    execute(database_url, "UPDATE run SET n_events = 99 WHERE run_number = 2")
    wrong = run("verify", "--run", "2")
    assert wrong.exit_code == 3
    assert wrong.stdout.startswith("run 2: ")
