"""Events on the command line, answers in files, and what is said of what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.client import Server, fuid
from tests.support.command import run


def test_events_on_the_command_line(server: Server):
    """Any number of RUN:EVENT are looked up without a file."""
    result = run("lookup", "1:1", "1:3", "1/2", "--format", "csv")
    assert result.exit_code == 0
    assert [line[:3] for line in result.stdout.splitlines()[1:]] == ["1,1", "1,3", "1,2"]
    assert run("lookup", "1:7:3", "--columns", "run,-,event", "--format", "csv").exit_code == 0
    wrong = run("lookup", "1:1", "nothing.txt")
    assert (wrong.exit_code, "RUN:EVENT RUN:EVENT" in wrong.stderr) == (2, True)


def test_a_file_named_as_an_event_is_a_file(server: Server):
    """A list whose name looks like an event is read all the same."""
    Path("1:1").write_text("1 2\n")
    assert "  1      2  " in run("lookup", "1:1").stdout


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.jsonl.gz", "a.txt", "a.parquet"])
def test_answers_in_a_file(server: Server, name: str):
    """The name of a file says what is written, and standard output stays empty."""
    result = run("lookup", "1:1", "1:100", "--olt", "-o", name)
    assert (result.exit_code, result.stdout) == (3, "")
    forms = {"a.csv": "csv", "a.json": "json", "a.jsonl": "jsonl", "a.txt": "table"}
    if name in forms:
        shown = run("lookup", "1:1", "1:100", "--olt", "--format", forms[name]).stdout
        assert Path(name).read_text() == shown
    assert not list(Path().glob("*.part"))


def test_parquet_has_the_columns_of_the_csv(server: Server):
    """Programs read numbers, texts and nulls."""
    run("lookup", "1:100", "-o", "none.parquet", "--names")
    run("lookup", "1:1", "1:100", "1:2", "--olt", "-o", "a.parquet")
    found = pq.read_table("a.parquet").to_pylist()
    lines = run("lookup", "1:1", "1:100", "1:2", "--olt", "--format", "jsonl").stdout
    assert found == [json.loads(line) for line in lines.splitlines()]
    assert found[1]["fuid_raw"] is found[1]["olt_result"] is None
    assert pq.read_table("none.parquet").column("url").to_pylist() == [None]
    wrong = run("lookup", "1:1", "-o", "a.parquet.gz")
    assert (wrong.exit_code, "compressed inside" in wrong.stderr) == (2, True)


def test_missing_pairs_are_a_list_again(server: Server):
    """What was not found is in a file that `lookup` reads."""
    result = run("lookup", "1:1", "1:100", "2:1", "--missing", "left.txt", "--quiet")
    assert (result.exit_code, result.stderr) == (3, "")
    assert Path("left.txt").read_text() == "1:100\n2:1\n"
    again = run("lookup", "left.txt", "--format", "csv")
    assert again.stdout.splitlines()[1:] == ["1,100,,,", "2,1,,,"]


def test_a_run_that_is_not_there_is_told_from_a_missing_event(server: Server):
    """A typo in a run number does not look like a lost event."""
    errors = run("lookup", "1:1", "1:100", "1:101", "1:100", "99:1").stderr
    assert errors.splitlines() == [
        "5 pairs: 1 found, 4 not found",
        "run 99 is not in the index",
        "run 1 has no event 100 and 2 more",
    ]
    many = "".join(f"{number}:1\n" for number in range(10, 20))
    lines = run("lookup", "-", text=many).stderr.splitlines()
    assert lines[1:] == [f"run {n} is not in the index" for n in range(10, 15)] + [
        "and 5 more runs are not"
    ]


def test_bad_lines_are_in_the_summary(server: Server):
    """Who reads the summary alone knows that lines were left out."""
    assert "1 pair: 1 found, 0 not found; 2 lines are not pairs" in (
        run("lookup", "-", text="1 1\nx\ny\n").stderr
    )
    assert "0 not found; 1 line is not a pair" in run("lookup", "-", text="1 1\nx\n").stderr


def test_the_file_of_a_pair_is_that_of_the_service(server: Server):
    """An answer in a file names the file of each pair."""
    run("lookup", "1:1", "1:2", "-o", "a.jsonl")
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [row["fuid_raw"] for row in rows] == [fuid(1), fuid(0)]
