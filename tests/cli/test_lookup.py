"""The command line against a real gRPC server: what it reads, what it prints, how it exits."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import grpc

from tests.support.client import Server, fuid
from tests.support.command import CSV_HEADER, run


def test_lookup_prints_a_table(server: Server):
    """The table has one line a pair in the order of the input and says what was not found."""
    result = run("lookup", "-", text="1 1\n1 100\n1 2\n")
    assert result.stdout.splitlines() == [
        "run  event  RAW file                              dataset",
        f"  1      1  {fuid(1)}  7",
        "  1    100  not found",
        f"  1      2  {fuid(0)}  7",
    ]
    assert "3 pairs: 2 found, 1 not found" in result.stderr
    assert result.exit_code == 3


def test_lookup_prints_csv_and_json(server: Server):
    """CSV and JSON can be read by machines, with the online filter's bits where asked for."""
    result = run("lookup", "--olt", "--format", "csv", "-", text="1 3\n1 100\n")
    assert list(csv.DictReader(io.StringIO(result.stdout))) == [
        {
            "run_number": "1",
            "event_number": "3",
            "fuid_raw": fuid(1),
            "dsid_raw": "7",
            "dataset_state": "open",
            "olt_result": "3",
        },
        {
            "run_number": "1",
            "event_number": "100",
            "fuid_raw": "",
            "dsid_raw": "",
            "dataset_state": "",
            "olt_result": "",
        },
    ]
    rows = json.loads(run("lookup", "--olt", "--format", "json", "-", text="1 3\n1 100\n").stdout)
    assert rows[0]["fuid_raw"] == fuid(1)
    assert rows[0]["olt_result"] == 3
    assert rows[1] == {
        "run_number": 1,
        "event_number": 100,
        "fuid_raw": None,
        "dsid_raw": None,
        "dataset_state": None,
        "olt_result": None,
    }
    assert json.loads(run("lookup", "--format", "json", "-", text="").stdout) == []


def test_lookup_groups_by_file(server: Server):
    """With --format files each RAW file comes once, with its events."""
    result = run("lookup", "--format", "files", "-", text="1 1\n1 2\n1 3\n1 100\n2 5\n")
    assert result.stdout.splitlines() == [
        f"{fuid(1)}  dataset 7  2 events",
        "  run 1: 1 3",
        f"{fuid(0)}  dataset 7  1 event",
        "  run 1: 2",
        "not found  2 events",
        "  run 1: 100",
        "  run 2: 5",
    ]


def test_lookup_exit_codes(server: Server, tmp_path: Path):
    """0 all found, 3 some not, 2 for bad usage and for lines that are no pairs."""
    assert run("lookup", "1", "5").exit_code == 0
    assert run("lookup", "1", "500").exit_code == 3
    bad = run("lookup", "-", text="1 1\nnonsense\n")
    assert bad.exit_code == 2
    assert "line 2: not a run and an event number: nonsense" in bad.stderr
    assert fuid(1) in bad.stdout
    assert run("lookup", "nofile").exit_code == 2
    assert run("lookup", "a", "b").exit_code == 2
    assert run("lookup", "--format", "xml", "-").exit_code == 2
    (tmp_path / "pairs.txt").write_text("1/1\n1:2\n")
    assert run("lookup", "pairs.txt").exit_code == 0


def test_many_bad_lines_are_counted(server: Server):
    """Of a file that is no list of pairs the first lines are shown and the rest counted."""
    result = run("lookup", "-", text="x\n" * 1000)
    assert result.stderr.count("not a run and an event number") == 20
    assert "and 980 more such lines" in result.stderr


def test_a_run_without_an_event_is_no_file():
    """Who leaves the event number out is told how an event is given."""
    result = run("lookup", "12345")
    assert result.exit_code == 2
    assert "there is no file 12345 (for one event give RUN:EVENT)" in result.stderr


def test_every_command_is_said_in_a_line():
    """The list of commands is whole on a terminal of 80 columns."""
    commands = run("--help").stdout.partition("Ask:\n")[2].splitlines()
    assert len(commands) > 20
    assert [line for line in commands if line.endswith("...") or len(line) > 80] == []


def test_a_service_that_is_away_is_one_line(server: Server):
    """Failures are one line on standard error with exit code 1, without a traceback."""
    server.stop()
    for command in (["lookup", "1", "2"], ["runs"], ["load", "--format", "csv", "-"]):
        result = run(*command, "--retry", "0.2", text=f"{CSV_HEADER}1,1,0,1,{fuid(1)}\n")
        assert result.exit_code == 1, command
        lines = result.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"eventindex: {server.address}: ")


def test_a_refused_request_is_the_servers_line(server: Server):
    """What the server refuses is said in its words."""

    def refuse(call: int, answered: int, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "run_numbers: too odd")

    server.index.before_answer = refuse
    result = run("lookup", "1", "2")
    assert (result.exit_code, result.stderr) == (2, "eventindex: run_numbers: too odd\n")


def test_a_reader_that_leaves_is_no_error(server: Server):
    """`lookup | head` ends without a traceback."""
    code = "import sys; from eventindex.cli import main; main(['lookup', '--format', 'csv', '-'])"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"1 1\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"run_number")
        assert process.stdout.readline().startswith(b"1,1,")
        process.stdout.close()
        # The command may have ended before it has read all.
        with suppress(BrokenPipeError):
            process.stdin.write(b"1 1\n" * 50_000)
        with suppress(BrokenPipeError):
            process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(20) == 1


def test_answers_come_while_the_input_is_open(server: Server):
    """A pipe that stays open is answered line by line; Ctrl-C ends it without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-c", "from eventindex.cli import main; main(['lookup'])"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for event in (1, 2, 3):
            process.stdin.write(f"1 {event}\n".encode())
            process.stdin.flush()
            if event == 1:
                process.stdout.readline()
            assert f"{event}  {fuid(event % 2)}".encode() in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 1
        assert b"Traceback" not in process.stderr.read()
