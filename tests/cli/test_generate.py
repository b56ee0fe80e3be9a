"""generate: events of a plan, the same ones each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.workload import run_blocks
from eventindex.generate import Plan, generate
from tests.support.client import Server
from tests.support.command import run


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


def test_a_derived_collection_is_a_part_of_its_source(server: Server, tmp_path: Path):
    """The events of the source, in files and a dataset of their own, however it comes."""
    assert run("generate", "-o", "raw.csv", "--runs", "2", "--events", "3000").exit_code == 0
    assert run("generate", "-o", "raw.jsonl", "--runs", "2", "--events", "3000").exit_code == 0
    options = ["--derive", "aod.v2", "--keep", "0.1", "--events-per-file", "100"]
    made = run("generate", "-o", "aod.csv", "--from", "raw.csv", *options)
    assert made.exit_code == 0, made.stderr
    rows = [line.split(",") for line in (tmp_path / "aod.csv").read_text().splitlines()[1:]]
    source = [line.split(",") for line in (tmp_path / "raw.csv").read_text().splitlines()[1:]]
    kept = {tuple(row[:3]) for row in rows}
    assert kept < {tuple(row[:3]) for row in source}
    assert 0.07 < len(rows) / len(source) < 0.13
    assert not {row[4] for row in rows} & {row[4] for row in source}
    assert {row[3] for row in rows}.isdisjoint(row[3] for row in source)
    assert len({row[4] for row in rows}) == sum(
        -(-sum(row[0] == run_number for row in rows) // 100) for run_number in ("1", "2")
    )
    again = run("generate", "-o", "-", "--from", "raw.jsonl", *options).stdout
    assert again == (tmp_path / "aod.csv").read_text()
    other = run("generate", "-o", "-", "--from", "raw.csv", "--derive", "aod.v3").stdout
    assert {tuple(line.split(",")[:3]) for line in other.splitlines()[1:]} != kept


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--derive", "aod"], "--from FILE"),
        (["--derive", "aod", "--from", "gone.csv"], "gone.csv"),
        (["--derive", "aod", "--from", "AOD"], "AOD"),
        (["--derive", "aod", "--from", "raw.csv", "--runs", "3"], "--runs excludes --derive"),
        (["--derive", "raw", "--from", "raw.csv"], "--derive raw"),
        (["--keep", "0.5"], "go with --derive"),
        (["--derive", "aod", "--from", "raw.csv", "--keep", "2"], "--keep"),
    ],
)
def test_what_cannot_be_derived_is_told(tmp_path: Path, monkeypatch, arguments, word):
    """Options that do not go together, a source that is not there, and a wrong share are named."""
    monkeypatch.chdir(tmp_path)
    refused = run("generate", "-o", "out.csv", *arguments)
    assert refused.exit_code == 2
    assert word in refused.stderr
    assert not (tmp_path / "out.csv").exists()
