"""`eventindex pick`: picked values are the originals', and what is missing is named."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from pyarrow import parquet

import eventindex
from eventindex.root_files import entries
from eventindex.root_files import pick as picks
from tests.support.client import Server
from tests.support.command import run
from tests.support.root import (
    DATA,
    MUONS,
    MUONS_UUID,
    NANOAOD,
    NTUPLE,
    ZMUMU,
    read_branches,
    write_tree,
)

ABSENT = str(uuid.UUID(int=1))
ENTRIES = [150, 3, 199, 0, 7, 42]  # of the real NanoAOD, out of order


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """An index that knows the events of the real files, and one of a file that nobody has."""
    server = Server({(9, 9): (ABSENT, 1, 0)})
    for path in (NANOAOD, NTUPLE, MUONS):
        add(server, path, "run", "event")
    add(server, ZMUMU, "Run", "Event")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative names are in a directory of the test's own; the index is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", server.address)


def add(server: Server, path: Path, *names: str) -> None:
    """Let the index know the events of a file."""
    with uproot.open(path) as file:
        own = str(file.file.uuid)
    for pair in zip(*(v.tolist() for v in read_branches(path, *names).values()), strict=True):
        server.store.setdefault(pair, (own, 1, 0))


def write_list(path: Path, entries: list[int], *names: str) -> None:
    """Write the pairs of some entries of a file as a list."""
    runs, events = read_branches(path, *names).values()
    Path("list.txt").write_text("".join(f"{runs[e]} {events[e]}\n" for e in entries))


def same_branches(picked: Path, original: Path, entries: list[int]) -> int:
    """Compare every branch of the original one by one; the number of them."""
    with uproot.open(picked) as new, uproot.open(original) as old:
        (name,) = old.keys(cycle=False)
        ours, theirs = new[name], old[name]
        assert type(ours).__name__.split("_v")[0] == type(theirs).__name__.split("_v")[0]
        expected = theirs.arrays(library="ak")[entries]
        found = ours.arrays(library="ak")
        names = [n for n in expected.fields if "." not in n and not n.startswith("_collection")]
        for branch in names:
            assert ak.array_equal(
                found[branch], expected[branch], equal_nan=True, dtype_exact=False
            ), branch
        return len(names)


@pytest.mark.slow
def test_every_branch_of_a_nanoaod_is_as_it_was():
    """A TTree: 947 branches, jagged ones with their shared counters, in the order of the list."""
    write_list(NANOAOD, [*ENTRIES, ENTRIES[0]], "run", "event")
    result = run("pick", "list.txt", "-o", "out.root", "--files", DATA)
    assert result.exit_code == 0, result.stderr
    assert "6 entries in out.root" in result.stderr
    assert same_branches(Path("out.root"), NANOAOD, ENTRIES) == 947
    with uproot.open("out.root") as file:
        tree = file["Events"]
        assert set(tree.keys()) == set(uproot.open(NANOAOD)["Events"].keys())
        assert tree["Muon_pt"].count_branch.name == "nMuon"
        assert tree["Muon_eta"].count_branch.name == "nMuon"
    assert sorted(path.name for path in Path().iterdir()) == ["list.txt", "out.root"]


def test_file_order_and_some_branches():
    """Events as in the file, and only branches that match; a counter comes with what it counts."""
    write_list(MUONS, ENTRIES, "run", "event")
    options = ["--order", "file", "--branches", "run,event,Muon_p*"]
    assert run("pick", "list.txt", "-o", "out.root", "--files", MUONS, *options).exit_code == 0
    with uproot.open("out.root") as file:
        assert set(file["Events"].keys()) == {"run", "event", "nMuon", "Muon_pt"}
        events = read_branches(MUONS, "event")["event"]
        assert file["Events"]["event"].array().to_list() == events[sorted(ENTRIES)].tolist()


@pytest.mark.slow
def test_an_ntuple_is_picked_as_an_ntuple():
    """Every field of a real RNTuple has the values it had, in an RNTuple."""
    write_list(NTUPLE, [7, 2], "run", "event")
    result = run("pick", "list.txt", "-o", "out.root", "--files", NTUPLE)
    assert result.exit_code == 0, result.stderr
    assert same_branches(Path("out.root"), NTUPLE, [7, 2]) > 900


def test_an_event_of_several_entries_is_picked_with_all():
    """Entries that share a run and an event number come together, texts included."""
    pairs = np.column_stack(list(read_branches(ZMUMU, "Run", "Event").values()))
    chosen = [tuple(pairs[0].tolist()), tuple(pairs[1000].tolist())]
    Path("list.txt").write_text("".join(f"{run},{event}\n" for run, event in chosen))
    assert run("pick", "list.txt", "-o", "out.root", "--files", DATA).exit_code == 0
    wanted = [e for pair in chosen for e in np.flatnonzero((pairs == pair).all(axis=1)).tolist()]
    assert len(wanted) > 2
    assert same_branches(Path("out.root"), ZMUMU, wanted) == 20


def test_several_files_into_one_in_the_order_of_the_list(server: Server, monkeypatch):
    """Events of several files alternate in the output as they do in the list; blocks are small."""
    for number in range(3):
        events = np.arange(number, 900, 3)
        write_tree(f"f{number}.root", {"run": np.full(300, 77), "event": events, "x": events / 2})
        add(server, Path(f"f{number}.root"), "run", "event")
    order = np.random.default_rng(1).permutation(900)[:700]
    Path("list.txt").write_text("".join(f"77 {event}\n" for event in order))
    with monkeypatch.context() as patch:
        patch.setattr(picks, "_EVENTS_PER_WRITE", 100)
        assert run("pick", "list.txt", "-o", "out.root", "--files", "f*.root").exit_code == 0
    found = read_branches(Path("out.root"), "event", "x")
    assert found["event"].tolist() == order.tolist()
    assert found["x"].tolist() == (order / 2).tolist()
    each = run("pick", "list.txt", "-o", "each", "--files", "f*.root", "--per-file")
    assert each.exit_code == 0
    assert sorted(p.name for p in Path("each").iterdir()) == ["f0.root", "f1.root", "f2.root"]


def test_parquet():
    """A Parquet file has a column for each branch, lists as lists."""
    write_list(MUONS, ENTRIES, "run", "event")
    some = ["--branches", "event,Muon_pt,HLT_IsoMu20"]
    assert run("pick", "list.txt", "-o", "o.parquet", "--files", MUONS, *some).exit_code == 0
    table = parquet.read_table("o.parquet")
    with uproot.open(MUONS) as file:
        wanted = file["Events"].arrays(["event", "Muon_pt", "HLT_IsoMu20"])[ENTRIES]
    assert set(table.column_names) == set(wanted.fields)
    for name in wanted.fields:
        assert table[name].to_pylist() == wanted[name].to_list()


def test_what_is_missing_is_named_and_the_rest_is_written():
    """Events that are not in the index, files that nobody has: named, exit 3, kept for later."""
    write_list(MUONS, ENTRIES, "run", "event")
    with Path("list.txt").open("a") as file:
        file.write("5 5\n9 9\n")
    Path("broken.root").write_bytes(b"root")
    places = ["--files", MUONS, "--files", "broken.root"]
    result = run("pick", "list.txt", "-o", "out.root", *places, "--branches", "event,run")
    assert result.exit_code == 3
    assert "run 5 event 5: not in the index" in result.stderr
    assert "broken.root: cannot be read" in result.stderr
    assert "no file with this UUID was found" in " ".join(result.stdout.split())
    events = read_branches(MUONS, "event")["event"][ENTRIES]
    assert read_branches(Path("out.root"), "event")["event"].tolist() == events.tolist()
    assert Path(".out.root.work").is_dir()


def test_an_event_that_its_file_does_not_hold_is_named(server: Server):
    """Where the index is wrong about a file, the event is named with the file."""
    server.store[8, 8] = (MUONS_UUID, 1, 0)
    result = run("pick", "8", "8", "-o", "out.root", "--files", MUONS)
    assert result.exit_code == 3
    assert f"run 8 event 8: not in {MUONS}" in result.stderr
    assert run("pick", "5", "5", "-o", "none.root", "--files", MUONS).exit_code == 3
    assert not Path(".none.root.work").exists()
    assert not Path("out.root").exists()


def test_an_interrupted_pick_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Files that are done are not read again; nothing half-written has the output's name."""
    for number in range(2):
        write_tree(f"g{number}.root", {"run": [78], "event": [number], "x": [0.5]})
        add(server, Path(f"g{number}.root"), "run", "event")
    Path("list.txt").write_text("78 0\n78 1\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "out.root")

    command = ["pick", "list.txt", "-o", "out.root", "--files", "g*.root"]
    with monkeypatch.context() as patch:
        patch.setattr("eventindex.root_files.output._RootWriter.write", full)
        result = run(*command)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert not Path("out.root").exists()
    assert not Path(".out.root.part").exists()
    monkeypatch.setattr("eventindex.root_files.pick.find_tree", None)
    assert run(*command).exit_code == 0
    assert read_branches(Path("out.root"), "event")["event"].tolist() == [0, 1]
    assert not Path(".out.root.work").exists()


def test_uuids_are_remembered_as_long_as_a_file_is_the_same(monkeypatch: pytest.MonkeyPatch):
    """With a work directory of one's own, files that did not change are not opened to be found."""
    shutil.copy(MUONS, "a.root")
    write_list(MUONS, ENTRIES, "run", "event")
    command = ["pick", "list.txt", "-o", "out.root", "--files", ".", "--work-dir", "work"]
    assert run(*command).exit_code == 0
    assert [path.name for path in Path("work").iterdir()] == ["uuids.json"]
    Path("out.root").unlink()
    monkeypatch.setattr("eventindex.root_files.locate.open_root", None)
    assert run(*command).exit_code == 0


def test_branches_that_cannot_be_written_are_left_out(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    """They are named once; the exit code is 3 unless --skip-unwritable says that this is fine."""
    nested = ak.Array([[[1, 2], []], [[3]]])
    with uproot.recreate("n.root") as file:
        file.mkrntuple("Events", {"run": np.int64, "event": np.int64, "x": nested.type.content})
        file["Events"].extend(
            {"run": np.array([79, 79]), "event": np.array([1, 2]), "x": nested})  # fmt: skip
    add(server, Path("n.root"), "run", "event")
    Path("list.txt").write_text("79 2\n")
    command = ["pick", "list.txt", "-o", "out.root", "--files", "n.root"]
    assert run(*command).exit_code == 0
    with uproot.open("out.root") as file:
        assert file["Events"]["x"].array().to_list() == [[[3]]]
    # uproot writes lists of lists into RNTuples only: read the same events as those of a TTree.
    of_ntuple = entries._of_ntuple
    monkeypatch.setattr(entries, "_of_ntuple", lambda s: replace(of_ntuple(s), ntuple=False))
    result = run(*command)
    assert result.exit_code == 3
    assert "left out, cannot be written: x" in result.stderr
    assert run(*command, "--skip-unwritable").exit_code == 0
    assert read_branches(Path("out.root"), "run", "event")["event"].tolist() == [2]


def test_files_of_other_branches_are_not_mixed(server: Server):
    """A file whose branches differ from the first one's is named, and goes with --per-file."""
    write_tree("h0.root", {"run": [80], "event": [0], "x": [0.5]})
    write_tree("h1.root", {"run": [80], "event": [1], "y": [0.5]})
    for number in range(2):
        add(server, Path(f"h{number}.root"), "run", "event")
    Path("list.txt").write_text("80 0\n80 1\n")
    result = run("pick", "list.txt", "-o", "out.root", "--files", "h*.root")
    assert result.exit_code == 3
    assert "its branches are not those of the first file" in " ".join(result.stdout.split())
    result = run("pick", "list.txt", "-o", "out", "--files", "h*.root", "--per-file")
    assert result.exit_code == 0
    assert read_branches(Path("out/h1.root"), "y")["y"].tolist() == [0.5]


def test_arrays_without_a_file(server: Server):
    """A notebook gets the events as an awkward array in the order of its pairs."""
    columns = read_branches(MUONS, "run", "event")
    pairs = [(int(columns["run"][e]), int(columns["event"][e])) for e in ENTRIES]
    with eventindex.connect(server.address) as index:
        found = index.pick_arrays(pairs, files=MUONS.parent, branches=["event", "Muon_*"])
        assert found.event.to_list() == columns["event"][ENTRIES].tolist()
        with uproot.open(MUONS) as file:
            wanted = file["Events"]["Muon_pt"].array()[ENTRIES]
        assert found.Muon_pt.to_list() == wanted.to_list()
        with pytest.raises(LookupError, match="the first is run 5 event 5"):
            index.pick_arrays([(5, 5)], files=DATA)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["1", "2", "-o", "o.txt", "--files", DATA], "neither .root nor .parquet"),
        (["1", "2", "-o", ".", "--files", DATA], "is a directory"),
        (["bad.txt", "-o", "o.root", "--files", DATA], "line 1: not a run and an event number"),
        (["empty.txt", "-o", "o.root", "--files", DATA], "the list has no pairs"),
        (["1", "2", "-o", "in.root", "--files", "in.root"], "would be written over"),
    ],
)
def test_bad_usage(arguments, problem):
    """What cannot be meant exits with 2 and says why."""
    Path("bad.txt").write_text("x y\n")
    Path("empty.txt").write_text("\n")
    Path("in.root").write_bytes(b"")
    result = run("pick", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
