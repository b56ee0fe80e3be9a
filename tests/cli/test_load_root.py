"""`eventindex load` of ROOT files: real ones, those that cannot be read, and trigger decisions."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import fsspec
import numpy as np
import pytest
import uproot
from fsspec.implementations.local import LocalFileSystem

import eventindex
from tests.support.command import run
from tests.support.root import (
    DATA,
    MUONS,
    MUONS_UUID,
    NANOAOD,
    NANOAOD_UUID,
    NTUPLE,
    ZMUMU,
    read_branches,
    write_tree,
)

pytestmark = pytest.mark.usefixtures("in_own_directory")


def dry_run(*arguments: object):
    return run("load", *arguments, "--dsid", 1, "--dry-run")


@pytest.mark.usefixtures("services")
@pytest.mark.slow
def test_real_files_load_with_their_triggers():
    """A TTree is in the index by the file's own UUID, its trigger paths as named criteria."""
    paths = ["HLT_IsoMu20", "HLT_Ele105_CaloIdVT_GsfTrkIdT", "HLT_Ele23_WPLoose_Gsf"]
    patterns = "HLT_IsoMu20,HLT_Ele105*,HLT_Ele23_WPLoose_Gsf"
    result = run("load", NANOAOD, "--dsid", 7, "--criteria", patterns)
    assert "200 inserted" in result.stderr
    assert result.exit_code == 0
    wanted = read_branches(NANOAOD, "run", "event", *paths)
    with eventindex.connect() as client:
        pairs = (wanted["run"].astype(np.int64), wanted["event"].astype(np.int64))
        found = client.lookup(pairs, with_olt_result=True)
        assert set(found.fuids()) == {NANOAOD_UUID}
        assert set(found.dsids()) == {7}
        for bit, path in enumerate(paths):
            decisions = (found.olt_results >> np.uint64(bit) & np.uint64(1)).astype(bool)
            assert decisions.tolist() == wanted[path].tolist()
        assert [(c.bit, c.name) for c in client.criteria()] == list(enumerate(paths))
    assert "200 duplicates" in run("load", NANOAOD, "--dsid", 7, "--criteria", patterns).stderr
    other = run("load", NANOAOD, "--dsid", 7, "--criteria", "HLT_Ele23_WPLoose_Gsf")
    assert other.exit_code == 2
    assert "would be bit 0, but in the index bit 0 is HLT_IsoMu20" in other.stderr


@pytest.mark.usefixtures("services")
def test_other_names_and_an_ntuple():
    """Branches of any case and RNTuples load alike; events that are there twice are duplicates."""
    pairs = np.column_stack(list(read_branches(ZMUMU, "Run", "Event").values())).astype(np.int64)
    result = run("load", ZMUMU, NTUPLE, "--dsid", 1)
    distinct = len(np.unique(pairs, axis=0))
    assert f"{distinct + 10:,} inserted, {len(pairs) - distinct:,} duplicates" in result.stderr
    wanted = read_branches(NTUPLE, "run", "event")
    with eventindex.connect() as client:
        assert client.lookup(pairs).not_found == 0
        ntuple = client.lookup((wanted["run"].astype(np.int64), wanted["event"].astype(np.int64)))
    assert set(ntuple.fuids()) == {"0162b0b6-68bc-11f0-a42c-535b110abeef"}


@pytest.mark.slow
def test_directories_patterns_and_repeats():
    """A directory stands for the ROOT files below it; a file that is named twice is loaded once."""
    assert "2,514 good" in dry_run(DATA).stderr
    assert "2,514 good" in dry_run(f"{DATA}/*.root", ZMUMU).stderr
    empty = dry_run(".")
    assert empty.exit_code == 2
    assert "is a directory without ROOT files" in empty.stderr


def test_a_copy_of_a_file_is_refused_with_the_file():
    """Two files with one UUID are both named and neither is loaded."""
    shutil.copy(MUONS, "copy.root")
    result = dry_run(MUONS, "copy.root", ZMUMU)
    assert result.exit_code == 3
    assert f"{MUONS}: has the UUID {MUONS_UUID}, as has copy.root" in result.stderr
    assert f"copy.root: has the UUID {MUONS_UUID}, as has {MUONS}" in result.stderr
    assert "2,304 good" in result.stderr


@pytest.mark.parametrize("kept", [0, 50, 1000, 13_000, 26_500])
def test_a_truncated_file_is_named_and_the_others_go_on(kept: int):
    """Wherever a file ends too early, it is named and the exit code is 3."""
    Path("cut.root").write_bytes(MUONS.read_bytes()[:kept])
    result = dry_run("cut.root", ZMUMU)
    assert result.exit_code == 3
    assert "cut.root: cannot be read: " in result.stderr
    assert "2,304 good" in result.stderr


def test_damage_within_the_data_is_named():
    """What was read before the damage stays; the file is named."""
    data = bytearray(ZMUMU.read_bytes())
    with uproot.open(ZMUMU) as file:
        at = int(file["events"]["Event"].member("fBasketSeek")[0])
    data[at + 80 : at + 200] = bytes(120)
    Path("bad.root").write_bytes(data)
    result = dry_run("bad.root", MUONS)
    assert result.exit_code == 3
    assert "bad.root: cannot be read: " in result.stderr
    assert "200 good" in result.stderr


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"n": [1], "x": [0.5]}, "no branch holds the run number: name it by --columns; integer"),
        ({"run": [1], "x": [0.5]}, "no branch holds the event number: name it by --columns; "
                                   "integer branches: run"),
        ({"run": [1], "event": [7.0]}, "'event' holds floating-point numbers, not integers: "
                                       "entry 0 is 7.0"),
        ({"run": [1], "event": [True]}, "'event' holds booleans, not integers"),
        ({"run": [1], "Run": [2], "event": [1]}, "run, Run may all be the run_number"),
    ],
)  # fmt: skip
def test_a_tree_without_events_says_what_it_has(arrays, problem):
    """A tree whose branches do not fit is named with what is there instead."""
    write_tree("a.root", arrays)
    result = dry_run("a.root")
    assert result.exit_code == 3
    assert problem in result.stderr


def test_negative_numbers_are_refused_by_their_entry():
    """An entry that is no event is named, written to the reject file, and the rest is good."""
    write_tree("a.root", {"run": [1, 1, -5, 1], "event": [3, -4, 5, 6], "mask": [0, 1, 2, -3]})
    result = dry_run("a.root", "--columns", "olt=mask", "--reject-file", "r.jsonl")
    assert result.exit_code == 3
    assert "a.root: entry 1: event_number: -4 in branch 'event' is outside 0 to" in result.stderr
    assert "entry 2: run_number: -5 in branch 'run'" in result.stderr
    assert "entry 3: olt_result: -3 in branch 'mask'" in result.stderr
    assert "1 good, 3 refused" in result.stderr
    rows = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert rows[0]["row"] == {"run": 1, "event": -4, "mask": 1}


@pytest.mark.usefixtures("services")
def test_columns_a_mask_and_the_tree_are_named():
    """Dotted names, an integer mask and the tree where there are several are taken by option."""
    arrays = {
        "EventInfo.runNumber": np.array([5, 5], np.int32),
        "EventInfo.eventNumber": np.array([1, 2], np.uint64),
        "bits": np.array([2**63, 6], np.uint64),
    }
    with uproot.recreate("a.root") as file:
        for name in ("one", "dir/two"):
            types = {key: values.dtype for key, values in arrays.items()}
            file.mktree(name, types).extend(arrays)
    assert "name one of one, dir/two by --tree" in dry_run("a.root").stderr
    assert "holds no tree 'three'; trees: one, dir/two" in dry_run(
        "a.root", "--tree", "three").stderr  # fmt: skip
    names = "run=EventInfo.runNumber,event=EventInfo.eventNumber,olt=bits"
    result = run("load", "a.root", "--tree", "dir/two", "--columns", names, "--dsid", 1)
    assert "2 inserted" in result.stderr
    with eventindex.connect() as client:
        assert client.get_event(5, 1).olt_result == 2**63
        assert client.get_event(5, 2).olt_result == 6


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([NANOAOD, "--criteria", "HLT_*"], "'HLT_*' matches 441 branches, above 64"),
        ([NANOAOD, "--criteria", "HLT_Ele*,HLT_Iso*,HLT_Mu1*,HLT_Dou*"], "criteria, above 64"),
        ([MUONS, "--fuid", MUONS_UUID], "are not for ROOT files"),
        ([MUONS, "--columns", "dsid_raw=run"], "are of run, event and olt"),
        ([MUONS, "--columns", "olt=run", "--criteria", "HLT_Mu*"], "exclude each other"),
        (["a.csv", "--tree", "x"], "are for ROOT files"),
        (["-", "--format", "root"], "cannot come from standard input"),
    ],
)
def test_bad_usage(arguments, problem):
    """Options that cannot be meant exit with 2 and say why."""
    Path("a.csv").write_text("run_number,event_number,fuid_raw\n")
    result = dry_run(*arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_the_dataset_must_be_named():
    """A ROOT file does not say its dataset."""
    result = run("load", MUONS, "--dry-run")
    assert result.exit_code == 2
    assert "give --dsid" in result.stderr


def test_criteria_are_those_of_all_files():
    """A file whose branches match other criteria is named: its bits would mean something else."""
    write_tree("a.root", {"run": [1], "event": [1], "HLT_A": [True]})
    write_tree("b.root", {"run": [1], "event": [2], "HLT_A": [True], "HLT_B": [False]})
    result = dry_run("a.root", "b.root", "--criteria", "HLT_*")
    assert result.exit_code == 3
    assert "b.root: its criteria are not those of a.root: HLT_B" in result.stderr
    assert "1 good" in result.stderr


class Stalled(LocalFileSystem):
    """Storage that never answers."""

    protocol = "stalled"
    hold = threading.Event()

    def info(self, path, **_):
        self.hold.wait()
        raise OSError("gave up")

    _open = info


def test_storage_that_does_not_answer_has_a_time_limit():
    """An address that does not answer is named in time, and the rest goes on."""
    fsspec.register_implementation("stalled", Stalled, clobber=True)
    result = dry_run("stalled://host/a.root", MUONS, "--storage-timeout", 0.2)
    Stalled.hold.set()
    assert result.exit_code == 3
    assert "stalled://host/a.root: no answer within 0.2 s" in result.stderr
    assert "200 good" in result.stderr


def test_an_unknown_kind_of_address_is_named():
    """An address that nothing here can open is named with the reason."""
    result = dry_run("nonsense://host/a.root", MUONS)
    assert result.exit_code == 3
    assert "nonsense://host/a.root: cannot be read: Protocol not known: nonsense" in result.stderr
    assert "200 good" in result.stderr
