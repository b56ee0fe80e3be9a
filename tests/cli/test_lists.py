"""The commands for selections, lists and changes: over a server that breaks, then the real ones."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import eventindex
from eventindex import EventColumns, RawFile
from eventindex.cli import counts_matrix, main
from eventindex.cli.shared import listing
from eventindex.selection_results import EventCount
from tests.conftest import execute
from tests.support.client import fuid
from tests.support.index import CatalogueServer, cut_after
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
COSMIC_FILE = "73744aa2-1289-5d17-94c5-eba3ad17c43b"


def run(*arguments: str, text: str | None = None) -> Result:
    """The outcome of a command in this process."""
    result = CliRunner().invoke(main, list(arguments), input=text)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(*arguments: str) -> list[dict[str, str]]:
    """The CSV rows that a command prints."""
    result = run(*arguments, "--format", "csv")
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def table(*arguments: str) -> list[list[str]]:
    """The words of the lines that a command prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return [line.split() for line in result.stdout.splitlines()]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CatalogueServer]:
    """A server that the commands find by the environment."""
    server = CatalogueServer()
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", server.address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", server.address)
    monkeypatch.chdir(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output counts as a terminal of 80 columns."""
    console = listing.Console
    monkeypatch.setattr(
        listing,
        "Console",
        lambda **given: console(**{"width": 80, **given}, force_terminal=True, color_system=None),
    )


def on_terminal(*arguments: str, stdout: int | None = None) -> tuple[int, list[str]]:
    """The exit code of a command and the lines that it leaves on a terminal."""
    master, slave = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-c", "from eventindex.cli import main; main()", *arguments],
        stdin=slave, stdout=slave if stdout is None else stdout, stderr=slave,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(slave)
    printed = b""
    try:
        while piece := os.read(master, 65536):
            printed += piece
    except OSError:
        pass  # the other end is closed
    os.close(master)
    # The line above was taken back.
    text = re.sub(r"[^\n]*\n[^\n]*?\x1b\[1A\x1b\[2K", "", printed.decode())
    lines = [line.rsplit("\x1b[2K")[-1] for line in text.split("\n")]
    shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip("\r") for line in lines]
    return command.wait(30), [line for line in shown if line]


# Over a server that breaks


def test_a_file_is_complete_or_not_there(server: CatalogueServer, tmp_path: Path):
    """A listing that fails leaves no file; the next one writes it whole."""
    server.index.harm = lambda call, sent, context: cut_after(call == 1, calls=1_000)(
        call, sent, context
    )
    server.index.events = [(1, event) for event in range(1, 100)]
    failed = run("events", "-o", "all.csv", "--retry", "0")
    assert failed.exit_code == 1
    assert len(failed.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    server.index.harm = cut_after(1, calls=len(server.index.requests) + 1)
    assert run("events", "-o", "all.csv").stderr == "99 events in all.csv\n"
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == "run_number,event_number,olt_result,dsid_raw,fuid_raw"
    assert lines[99] == f"1,99,99,7,{fuid(1)}"
    assert len(lines) == 100


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["events", "--limit", "0"], "--limit"),
        (["cosmic", "--limit", "0"], "--limit"),
        (["events", "--all", "64"], "bit 64 is above 63"),
        (["events", "--all", "0x0"], "0x0 is no mask"),
        (["events", "--all", "0x1ffffffffffffffff"], "is no mask"),
        (["counts", "--all", "3", "--none", "0x8"], "both have 0x8"),
        (["events", "--run", "-1"], "no number from 0 to 2^63-1"),
        (["events", "--run", "1", "--run-first", "1"], "--run excludes"),
        (["counts", "--event-first", "2", "--event-last", "1"], "above --event-last 1"),
        (["events", "--file", "x"], "'x' is not a valid UUID"),
        (["events", "--after", "1"], "'1' is not RUN:EVENT"),
        (["events", "--dataset", "2147483648"], "above 2^31-1"),
        (["events", "-o", "x.txt"], "the name says no format"),
        (["events", "-o", "x.parquet.gz"], "Parquet is compressed inside"),
        (["counts", "--by", "luck"], "'luck'"),
        (["cosmic", "--from", "yesterday"], "is no time"),
        (["cosmic", "--from", "2026-01-02", "--to", "2026-01-01"], "is behind"),
        (["runs", "--order-by", "luck"], "'luck'"),
        (["criteria", "set", "64", "muon"], "64"),
        (["conflicts", "resolve", "1", "--by", "me"], "--keep or --replace"),
        (["conflicts", "resolve", "1", "--keep"], "--by"),
        (["datasets", "--state", "gone"], "'gone'"),
        (["datasets", "luck"], "luck"),
        (["dead-letters", "discard"], "ID"),
        (["files", "cat", "x"], "'x' is not a valid UUID"),
    ],
)
def test_bad_usage_is_named(server: CatalogueServer, arguments: list[str], problem: str):
    """Arguments that make no sense are exit code 2 and named; nothing is asked."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr
    assert server.index.requests == []


def test_an_overlap_matrix_fits_the_terminal(server: CatalogueServer, terminal: None):
    """Twelve criteria with millions of events are cut into blocks of at most 80 columns."""
    lines = run("counts", "--by", "overlap").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("bit ") for line in lines) == 3
    assert lines[1].split() == ["0", "criterion-0", *(f"1,000,{n:03}" for n in range(5))]
    assert lines[-1] == "10,000,000 events in all"
    assert counts_matrix._blocks([5, 5, 90, 5], 10) == [range(2), range(2, 3), range(3, 4)]


def test_the_corner_of_an_overlap_matrix_is_whole(capsys: pytest.CaptureFixture[str]):
    """Bits without names leave room for the title of their column."""
    counts_matrix.write_matrix([EventCount(events=5, olt_bit=3, other_olt_bit=3)])
    assert capsys.readouterr().out == "bit  3\n3    5\n"


def test_machines_get_the_pairs_of_an_overlap(server: CatalogueServer):
    """CSV and JSON have a line for each pair of bits."""
    pairs = rows("counts", "--by", "overlap")
    assert len(pairs) == 78
    assert pairs[1] == {
        "olt_bit": "0",
        "olt_name": "criterion-0",
        "other_olt_bit": "1",
        "other_olt_name": "criterion-1",
        "events": "1000001",
    }
    assert len(json.loads(run("counts", "--by", "overlap", "--format", "json").stdout)) == 78


def test_tables_fold_texts_and_nothing_else(terminal: None, capsys: pytest.CaptureFixture[str]):
    """On 80 columns a long text takes several lines, whole; numbers stay in one piece."""
    columns: list[listing.Column[tuple[str, str]]] = [
        listing.Column("number", lambda row: row[0], right=True),
        listing.Column("text", lambda row: row[1], fold=True),
    ]
    words = " ".join(f"word{n}" for n in range(40))
    listing.write_table([("9" * 30, words), ("1", "[red]\x1b[31mx")] * 600, columns)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("9" * 30 in line for line in lines) == 600
    second = next(number for number, line in enumerate(lines) if "[red]" in line)
    assert " ".join(lines[1:second]).split() == ["9" * 30, *words.split()]
    assert "[red]\\x1b[31mx" in lines[-1]
    assert sum(line.split() == ["number", "text"] for line in lines) == 1


def test_verify_names_the_differences(server: CatalogueServer):
    """verify prints what differs and exits with 3; a range without differences exits with 0."""
    result = run("verify")
    assert (result.exit_code, result.stdout) == (3, "run 3: n_events is 9, the pages hold 8\n")
    assert result.stderr == "4 runs, 32 events, 1 run that differs\n"
    assert run("verify", "--run-last", "2").exit_code == 0


def test_output_and_progress_on_one_terminal(server: CatalogueServer, tmp_path: Path):
    """A line of output never runs into the progress bar, and a file gets what is printed to it."""
    difference = "run 3: n_events is 9, the pages hold 8"
    summary = "4 runs, 32 events, 1 run that differs"
    code, lines = on_terminal("verify")
    assert code == 3
    assert lines == [difference, summary]
    with Path("out.txt").open("w") as out:
        code, lines = on_terminal("verify", stdout=out.fileno())
    assert (code, lines) == (3, [summary])
    assert Path("out.txt").read_text() == f"{difference}\n"
    code, lines = on_terminal("datasets", "delete", "4", "--yes")
    assert (code, lines) == (0, ["1,000 events removed"])


def test_compare_on_a_terminal_is_short(server: CatalogueServer, tmp_path: Path):
    """A terminal gets 50 differences of a kind behind the bar, a file all of them."""
    entries = [f"{number},7\n" for number in (1, *range(100, 160))]
    Path("list.csv").write_text("".join(["dsid_raw,events\n", *entries]))
    code, lines = on_terminal("compare", "list.csv")
    assert (code, lines[0].split()[0]) == (3, "difference")
    assert sum(line.startswith("missing ") for line in lines) == 50
    assert sum(line.startswith("differing ") for line in lines) == 1
    assert lines[-2] == "… and 10 more missing (--format csv prints all)"
    assert lines[-1].startswith("0 files and 61 datasets compared: 60 missing")
    assert len(run("compare", "list.csv").stdout.splitlines()) == 62


def test_a_directory_that_is_not_there(server: CatalogueServer):
    """The file that was asked for is named."""
    result = run("events", "-o", "nowhere/x.csv")
    assert (result.exit_code, result.stderr) == (
        1,
        "eventindex: nowhere/x.csv: No such file or directory\n",
    )


def test_one_is_no_plural(server: CatalogueServer):
    """A single thing is not said as many."""
    del server.admin.letters[2]
    assert run("dead-letters", "export", "-o", "letters.jsonl").stderr == "1 dead letter\n"
    assert run("verify", "--run", "1").stderr == "1 run, 8 events, 0 runs that differ\n"
    assert run("events", "--limit", "1", "-o", "x.csv").stderr == "1 event in x.csv\n"


def test_delete_asks_first(server: CatalogueServer):
    """Without --yes and a terminal nothing is removed; an open dataset never is."""
    refused = run("datasets", "delete", "data-4")
    assert refused.exit_code == 2
    assert "Give --yes" in refused.stderr
    opened = run("datasets", "delete", "3", "--yes")
    assert (opened.exit_code, opened.stderr) == (
        1,
        "eventindex: dataset 3 is open: freeze or retire it first\n",
    )
    assert server.admin.calls == 0
    done = run("datasets", "delete", "4", "--yes")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "1,000 events removed")


@pytest.mark.parametrize(("answer", "code", "calls"), [(b"y\n", 0, 1), (b"n\n", 1, 0)])
def test_delete_is_answered_on_a_terminal(
    server: CatalogueServer, answer: bytes, code: int, calls: int
):
    """On a terminal the command asks, and does what it is told."""
    master, slave = pty.openpty()
    os.write(master, answer)
    command = subprocess.run(
        [sys.executable, "-c", "from eventindex.cli import main; main()",
         "datasets", "delete", "4"],
        check=False, stdin=slave, capture_output=True, text=True,
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    assert "Remove dataset 4 (data-4): 4 events in 1 file? [y/N]" in command.stderr
    assert (command.returncode, server.admin.calls) == (code, calls)


def test_delete_can_be_interrupted(server: CatalogueServer):
    """Ctrl-C ends the removal on the server, and the command says how far it came."""
    server.admin.harm = lambda _call, sent, _context: sent == 2 and server.admin.stopped.wait(60)
    command = subprocess.Popen(
        [sys.executable, "-c", "from eventindex.cli import main; main()",
         "datasets", "delete", "4", "--yes"],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    wait_until(lambda: server.admin.calls, what="call")
    wait_until(lambda: server.admin.sent == 2, what="second step")
    command.send_signal(signal.SIGINT)
    _, stderr = command.communicate(timeout=30)
    assert command.returncode == 1
    assert stderr.splitlines()[-1].startswith("eventindex: interrupted: ")
    assert stderr.splitlines()[-1].endswith("run the command again to go on")
    assert server.admin.stopped.wait(10)


def test_dead_letters_by_command(server: CatalogueServer, tmp_path: Path):
    """Dead letters are listed, shown, exported, replayed and discarded; 3 says not all."""
    assert [row["dead_letter_id"] for row in rows("dead-letters")] == ["1", "2"]
    assert "\x1b" not in run("dead-letters").stdout
    shown = run("dead-letters", "show", "1").stdout
    assert shown.splitlines()[-1] == '{"RunNumber": 1}'
    assert run("dead-letters", "show", "1", "--raw").stdout == '{"RunNumber": 1}'
    assert run("dead-letters", "show", "2").stdout.splitlines()[-1] == "ff00"
    assert run("dead-letters", "export", "-o", "letters.jsonl").stderr == "2 dead letters\n"
    text, binary = map(json.loads, (tmp_path / "letters.jsonl").read_text().splitlines())
    assert (text["payload"], binary["payload_base64"]) == ('{"RunNumber": 1}', "/wA=")
    assert run("dead-letters", "replay", "1").exit_code == 0
    replayed = run("dead-letters", "replay", "2", "1")
    assert replayed.exit_code == 3
    assert "1: 1 inserted" in replayed.stderr
    assert "eventindex: 2: not a batch" in replayed.stderr
    discarded = run("dead-letters", "discard", "2", "9")
    assert (discarded.exit_code, discarded.stderr) == (
        3,
        "eventindex: 9: there is no dead letter 9\n1 discarded\n",
    )
    assert run("dead-letters", "show", "2").exit_code == 1


# The real services


@pytest.fixture
def filled(
    index_address: str,
    ingest_address: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Runs 1 and 2 with 100 events each, odd ones in a file of dataset 7, and a telescope's run."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.chdir(tmp_path)
    numbers = np.arange(1, 101)
    with eventindex.connect() as client:
        for number in (1, 2):
            files = [RawFile(fuid(number), 7), RawFile(fuid(number + 10), 8)]
            batch = EventColumns(
                files, [number], numbers, 2 - numbers % 2, numbers.astype(np.uint64)
            )
            list(client.ingest([batch]))
        client.set_criterion(0, "odd")
        client.set_criterion(1, "two")
    assert run("load", str(DATA / "dump.dat")).exit_code == 0


def test_events_as_files(filled: None, tmp_path: Path):
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


def test_counts_by_command(filled: None):
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


def test_lists_by_command(filled: None):
    """runs, datasets and files list what is there, as a table, CSV and JSON."""
    assert [row["run_number"] for row in rows("runs")] == ["1", "2", "12345"]
    assert [row["run_number"] for row in rows("runs", "--detector", "0")] == ["12345"]
    assert [row["name"] for row in rows("datasets", "--name", "dsid")] == ["dsid-7", "dsid-8"]
    found = json.loads(run("files", "--dataset", "dsid-7", "--format", "json").stdout)
    assert [(f["fuid_raw"], f["run_number"], f["events"]) for f in found] == [
        (fuid(1), 1, 50),
        (fuid(2), 2, 50),
    ]
    assert run("files", "show", fuid(1)).stdout.splitlines() == [
        f"file     {fuid(1)}",
        "dataset  7 (open)",
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
        ["conflicts", "resolve", "77", "--keep", "--by", "me"],
        ["datasets", "freeze", "77"],
        ["datasets", "delete", "77", "--yes"],
        ["cosmic", "--run", "77"],
        ["verify", "--run", "77"],
        ["dead-letters", "show", "77"],
    ],
)
def test_what_is_not_there_is_one_line(filled: None, arguments: list[str]):
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
    filled: None, arguments: list[str], problem: str
):
    """A value that the service cannot mean is exit code 2 and one line without an address."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("eventindex: ")
    assert problem in line
    assert "127.0.0.1" not in line


@pytest.mark.parametrize("command", ["events", "files"])
def test_a_dataset_that_is_not_there_is_a_failure(filled: None, command: str):
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


def test_criteria_by_command(filled: None):
    """A bit gets a name from a run on; a name that two bits have had is asked for by number."""
    assert run("criteria", "set", "5", "odd", "--from-run", "9").exit_code == 0
    assert [(r["bit"], r["name"], r["run_first"]) for r in rows("criteria")] == [
        ("0", "odd", "0"),
        ("1", "two", "0"),
        ("5", "odd", "9"),
    ]
    result = run("counts", "--all", "odd")
    assert result.exit_code == 2
    assert "bits 0, 5" in result.stderr


def test_telescopes_by_command(filled: None, tmp_path: Path):
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
def test_events_are_a_list_for_lookup(filled: None, name: str):
    """What `events` writes in any form goes into `lookup`, in its order."""
    wanted = [(row["run_number"], row["event_number"]) for row in rows("events")]
    assert run("events", "-o", name).exit_code == 0
    found = [(row["run_number"], row["event_number"]) for row in rows("lookup", name)]
    assert found == wanted
    assert len(wanted) > 200


def test_verify_by_command(filled: None, database_url: str):
    """verify is clean on an index that nobody touched, and finds a count that somebody changed."""
    assert run("verify").stderr == "3 runs, 203 events, 0 runs that differ\n"
    execute(database_url, "UPDATE run SET n_events = 99 WHERE run_number = 2")
    wrong = run("verify", "--run", "2")
    assert wrong.exit_code == 3
    assert wrong.stdout.startswith("run 2: ")


def test_the_example_names_wrong_lines(filled: None, tmp_path: Path):
    """A list of another form is read as `lookup` reads it; a line that is no pair stops the job."""
    script = ROOT / "examples" / "pick_events.py"
    for text, code in (("evt;RunNumber\r9;1\r", 0), ("run,event\n1,9\nnonsense\n", 2)):
        (tmp_path / "pairs.csv").write_text(text)
        done = subprocess.run(
            [sys.executable, script, "pairs.csv", "out"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
    assert done.stderr == "pairs.csv: line 3: not a run and an event number: nonsense\n"


def test_the_example_of_a_reconstruction_job(filled: None, tmp_path: Path):
    """Pairs in any order and twice come out by file, each file's events in reading order."""
    wanted = "2,100\n1,9\n1,4\n1,9\n2,3\n1,1\n2,2\n1,999\n12345,4918\n12345,4917\n"
    (tmp_path / "pairs.csv").write_text(wanted)
    script = ROOT / "examples" / "pick_events.py"
    done = subprocess.run(
        [sys.executable, script, "pairs.csv", "out"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    found = {path.stem: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert found == {
        fuid(1): "1,1\n1,9\n",
        fuid(11): "1,4\n",
        fuid(2): "2,3\n",
        fuid(12): "2,2\n2,100\n",
        COSMIC_FILE: "12345,4917\n12345,4918\n",
        "missing": "1,999\n",
    }
