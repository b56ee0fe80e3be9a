"""`eventindex generate`: reproducible pseudo-data in every format, with its manifest."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from eventindex.cli.event_files.fields import FIELDS
from eventindex.generate import Plan, generate
from tests.support.command import run

MIX = ["--runs", 3, "--events", 5000, "--streams", 4, "--events-per-file", 300, "--datasets", 2,
       "--dsid", 7, "--seed", 11]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative names are in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)


def rows_of(name: str) -> list[tuple[int, int, int, int, str]]:
    """The events of a file, read without the project's own readers."""
    if name.endswith(".parquet"):
        rows = parquet.read_table(name).to_pylist()
    else:
        data = Path(name).read_bytes()
        if name.endswith(".gz"):
            data = gzip.decompress(data)
        if name.endswith(".zst"):
            data = pa.CompressedInputStream(name, "zstd").read()
        lines = data.decode().splitlines()
        rows = list(map(json.loads, lines)) if ".jsonl" in name else list(csv.DictReader(lines))
    return [(*(int(row[field]) for field in FIELDS[:4]), row["fuid_raw"]) for row in rows]


def test_every_format_holds_the_same_events():
    """The events are those of the plan, in its order, whatever the format."""
    plan = Plan(
        runs=3, events=5000, streams=4, events_per_file=300, datasets=2, dsid_raw=7, seed=11
    )
    expected = [
        (run_number, event, olt, block.files[file - 1].dsid_raw, block.files[file - 1].fuid_raw)
        for block in generate(plan)
        for run_number, event, olt, file in zip(
            np.asarray(block.run_numbers).tolist(),
            np.asarray(block.event_numbers).tolist(),
            np.asarray(block.olt_results).tolist(),
            np.asarray(block.file_indexes).tolist(),
            strict=True,
        )
    ]
    for name in ("a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.zst", "a.parquet"):
        assert run("generate", "-o", name, *MIX).exit_code == 0
        assert rows_of(name) == expected, name


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.zst", "a.parquet"])
def test_the_same_seed_gives_the_same_bytes(name: str):
    """A file is the same each time, compressed ones too; with another seed it is another."""
    contents = []
    for seed in (5, 5, 6):
        assert run("generate", "-o", name, *MIX, "--seed", seed).exit_code == 0
        contents.append(Path(name).read_bytes())
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize("name", ["m.json", "m.csv"])
def test_the_manifest_counts_files_and_datasets(name: str):
    """The manifest has the number of events of each file and of each dataset, and nothing else."""
    assert run("generate", "-o", "a.csv", *MIX, "--manifest", name).exit_code == 0
    rows = rows_of("a.csv")
    files = Counter((fuid, dsid, run_number) for run_number, _, _, dsid, fuid in rows)
    datasets = Counter(dsid for _, _, _, dsid, _ in rows)
    if name.endswith("json"):
        manifest = json.loads(Path(name).read_text())
        listed = manifest["files"]
        wholes = manifest["datasets"]
    else:
        entries = list(csv.DictReader(Path(name).read_text().splitlines()))
        listed = [entry for entry in entries if entry["fuid_raw"]]
        wholes = [entry for entry in entries if not entry["fuid_raw"]]
    assert files == {
        (e["fuid_raw"], int(e["dsid_raw"]), int(e["run_number"])): int(e["events"]) for e in listed
    }
    assert datasets == {int(e["dsid_raw"]): int(e["events"]) for e in wholes}
    assert len(files) > 24
    assert sorted(datasets) == [7, 8]


def test_options_are_the_plan():
    """A file of some options has the events that Python yields by the same plan."""
    options = ["--runs", 1, "--events", 200_000, "--event-first", 0, "--streams", 8, "--gaps", 0.2]
    assert run("generate", "-o", "w.parquet", *options, "--triggers", "0.4,0.1").exit_code == 0
    table = parquet.read_table("w.parquet")
    plan = Plan(1, 1, 200_000, 0, 0.2, 8, trigger_probabilities=(0.4, 0.1))
    blocks = list(generate(plan))
    for name in ("event_number", "olt_result"):
        expected = np.concatenate([np.asarray(getattr(block, f"{name}s")) for block in blocks])
        assert (table[name].to_numpy() == expected).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["-o", "a.dat"], "are written as csv, jsonl or parquet"),
        (["-o", "a.parquet.gz"], "Parquet is compressed inside"),
        (["-o", "a.csv", "--manifest", "m.txt"], "--manifest m.txt"),
        (["-o", "a.csv", "--datasets", "3"], "3 datasets need as many streams, not 2"),
        (["-o", "a.csv", "--dsid", "2147483647", "--datasets", "2"], "dsid_raw is 2147483647"),
    ],
)
def test_bad_usage(options: list[str], problem: str):
    """What cannot be written exits with 2 and says what is wrong, before a file is touched."""
    result = run("generate", *options)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not Path("a.csv").exists()


_GENERATE_AND_REPORT = """
import re, sys
from pathlib import Path
from eventindex.cli import main
try:
    main(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_size():
    """Four times the events take no more memory."""
    peaks_mib = []
    for runs in (5, 20):
        options = ["generate", "-o", "w.parquet", "--events", "500000", "--runs", str(runs)]
        done = subprocess.run(
            [sys.executable, "-c", _GENERATE_AND_REPORT, *options],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks_mib.append(int(done.stdout) / 1024)
        count = int(re.findall(r"([\d,]+) events", done.stderr)[-1].replace(",", ""))
        assert abs(count - runs * 450_000) < 10_000
    assert peaks_mib[1] < peaks_mib[0] + 60, peaks_mib
