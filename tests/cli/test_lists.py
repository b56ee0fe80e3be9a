"""The commands for selections, lists and changes: over a server that breaks, then the real ones."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventindex.cli import counts_matrix
from eventindex.cli.shared import listing
from eventindex.selection_results import EventCount
from tests.support.client import fuid
from tests.support.command import run
from tests.support.index import CatalogueServer, cut_after
from tests.support.list_commands import rows
from tests.support.processes import wait_until


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
    monkeypatch.setattr(listing, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


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
        (["events", "--all", "0x0"], "0x0 is not a mask"),
        (["events", "--all", "0x1ffffffffffffffff"], "is not a mask"),
        (["counts", "--all", "3", "--none", "0x8"], "both have 0x8"),
        (["events", "--run", "-1"], "not a number from 0 to 2^63-1"),
        (["events", "--run", "1", "--run-first", "1"], "--run excludes"),
        (["counts", "--event-first", "2", "--event-last", "1"], "above --event-last 1"),
        (["events", "--file", "x"], "'x' is not a valid UUID"),
        (["events", "--after", "1"], "'1' is not RUN:EVENT"),
        (["events", "--dataset", "2147483648"], "above 2^31-1"),
        (["events", "-o", "x.txt"], "the name says no format"),
        (["events", "-o", "x.parquet.gz"], "Parquet is compressed inside"),
        (["counts", "--by", "luck"], "'luck'"),
        (["cosmic", "--from", "yesterday"], "is not a time"),
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
        "eventindex: 9: there is no dead letter 9\n1 dead letter discarded, 1 not\n",
    )
    assert run("dead-letters", "show", "2").exit_code == 1
