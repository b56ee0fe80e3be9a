"""Names of files on the command line: loaded, imported, printed for jobs, and opened by `pick`."""

from __future__ import annotations

import itertools
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import uproot

import eventindex
from tests.support.command import run
from tests.support.processes import Service
from tests.support.root import MUONS, MUONS_UUID, ZMUMU, read_branches

FUID = str(uuid.UUID(int=77))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with the real files, one of them in a directory."""
    place = tmp_path_factory.mktemp("store")
    (place / "cms").mkdir()
    shutil.copy(MUONS, place / "cms" / "nano 1.root")
    shutil.copy(ZMUMU, place / "zmumu.root")
    return place


@pytest.fixture(scope="module")
def _services(postgres, _template, store: Path) -> Iterator[tuple[Service, Service]]:
    from tests.support.gateway import database  # a database of one's own

    with database(postgres, _template) as url:
        ingest = Service("ingest_service", database_url=url).start()
        index = Service("index_service", database_url=url, file_url=f"{store}/{{name}}").start()
        yield ingest, index
        index.close()
        ingest.close()


@pytest.fixture(autouse=True)
def environment(_services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services are found; relative names are in a directory of the test's own."""
    ingest, index = _services
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest.address)
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index.address)


@pytest.fixture(scope="module")
def loaded(_services, store: Path) -> list[tuple[int, int]]:
    """The storage is loaded; some events of the real NanoAOD, out of order."""
    ingest, index = _services
    options = ["--ingest-address", ingest.address]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest.address)
        patch.setenv("EVENTINDEX_INDEX_ADDRESS", index.address)
        result = run("load", store, "--dsid", 7)
    assert result.exit_code == 0, (result.stderr, options)
    columns = read_branches(MUONS, "run", "event").values()
    pairs = list(zip(*(column.tolist() for column in columns), strict=True))
    return [pairs[entry] for entry in (150, 3, 199)]


def as_text(pairs: list[tuple[int, int]]) -> str:
    return "".join(f"{run} {event}\n" for run, event in pairs)


def test_load_notes_the_names_and_sizes_of_root_files(loaded, store: Path):
    """A file below a directory that was loaded is called by its path from there, with its size."""
    with eventindex.connect() as client:
        (file,) = client.lookup(loaded, with_file_names=True).files
    assert (file.fuid_raw, file.name) == (MUONS_UUID, "cms/nano 1.root")
    assert file.bytes == MUONS.stat().st_size
    assert file.url == f"{store}/cms/nano 1.root"
    again = run("load", MUONS, "--dsid", 7)
    assert again.exit_code == 0
    assert "another name or size is noted of it, which stays" in again.stderr


def test_lookup_prints_what_jobs_read(loaded, store: Path):
    """Addresses, an entry list, items for HTCondor and ranges of events come out of one list."""
    address = f"{store}/cms/nano 1.root"
    text = as_text(loaded)
    assert run("lookup", "--format", "files", "-", text=text).stdout == f"{address}\n"
    entries = run("lookup", "--format", "entrylist", "-", text=text).stdout.splitlines()
    assert entries == [
        "# file\trun\tevent",
        *(f"{address}\t{run}\t{event}" for run, event in sorted(loaded)),
    ]
    (item,) = map(
        json.loads, run("lookup", "--format", "condor", "-", text=text).stdout.splitlines()
    )
    assert item["file"] == item["url"] == address
    assert item["events"] == [f"{run}:{event}" for run, event in sorted(loaded)]
    columns = read_branches(MUONS, "run", "event").values()
    whole = sorted(zip(*(column.tolist() for column in columns), strict=True))
    ranges = run("lookup", "--format", "ranges", "-", text=as_text(whole)).stdout.splitlines()
    told = []
    for line in ranges:
        (first_run, first), (last_run, last) = (part.split(":") for part in line.split("-"))
        assert first_run == last_run
        told += [(int(first_run), event) for event in range(int(first), int(last) + 1)]
    assert told == whole
    follow = sum(b == (a[0], a[1] + 1) for a, b in itertools.pairwise(whole))
    assert len(ranges) == len(whole) - follow


def test_lookup_tells_names_where_they_are_asked_for(loaded):
    """--names adds name, size, checksum and address to each form; without it nothing changes."""
    text = as_text(loaded[:1])
    head, line = run("lookup", "--names", "--format", "csv", "-", text=text).stdout.splitlines()
    assert head.endswith(",dataset_state,name,bytes,checksum,url")
    assert ",cms/nano 1.root," in line
    (row,) = json.loads(run("lookup", "--names", "--format", "json", "-", text=text).stdout)
    assert (row["name"], row["checksum"]) == ("cms/nano 1.root", None)
    assert "nano 1.root" in run("lookup", "--names", "-", text=text).stdout
    assert "nano 1.root" not in run("lookup", "-", text=text).stdout
    assert "name" not in json.loads(run("lookup", "--format", "json", "-", text=text).stdout)[0]


def test_files_are_listed_shown_and_imported(loaded, tmp_path: Path):
    """Files are found by a pattern or a name; another catalogue's list is noted once."""
    listed = json.loads(run("files", "--name", "cms/*", "--format", "json").stdout)
    assert {row["fuid_raw"] for row in listed} == {MUONS_UUID}
    assert listed[0]["name"] == "cms/nano 1.root"
    assert "name" not in json.loads(run("files", "--format", "json").stdout)[0]
    assert MUONS_UUID in run("files", "show", "cms/nano 1.root").stdout
    unknown = run("files", "show", "nobody.root")
    assert unknown.exit_code == 1
    assert "name='nobody.root' is not the name of a file" in unknown.stderr
    table = tmp_path / "dump.csv"
    table.write_text(f"guid,scope:name,adler32\n{FUID},user:a.root,0a\nxyz,user:b.root,0b\n")
    first = run("files", "import", table)
    assert first.exit_code == 3
    assert "row 3: file id is 'xyz'" in first.stderr
    assert "1 noted, 0 unchanged, 0 replaced, 0 refused" in first.stderr
    table.write_text(f"{FUID} user:other.root\n{MUONS_UUID} zmumu 2.root\n")
    assert "row 2: '2.root' is one value too many" in run("files", "import", table).stderr
    table.write_text(f"{FUID},user:other.root\n{MUONS_UUID},cms/nano 1.root\n")
    assert "2 files, nothing noted" in run("files", "import", table, "--dry-run").stderr
    second = run("files", "import", table)
    assert second.exit_code == 3
    assert "user:other.root is refused: user:a.root, adler32:0a stays" in second.stderr
    assert "0 noted, 1 unchanged, 0 replaced, 1 refused" in second.stderr
    third = run("files", "import", table, "--replace", "--by", "ann")
    assert third.exit_code == 0
    assert "0 noted, 1 unchanged, 1 replaced, 0 refused" in third.stderr
    nothing = run("files", "import", "-", text="")
    assert nothing.exit_code == 2


def test_events_are_picked_from_the_addresses_of_their_files(loaded):
    """Without --files each file is opened where the index says that it is."""
    options = ["-o", "picked.root", "--branches", "run,event"]
    result = run("pick", "-", *options, text=as_text(loaded))
    assert result.exit_code == 0, result.stderr
    with uproot.open("picked.root") as file:
        tree = file[file.keys()[0]]
        picked = zip(
            tree["run"].array(library="np").tolist(),
            tree["event"].array(library="np").tolist(),
            strict=True,
        )
        assert list(picked) == loaded
    assert "no address" not in result.stderr


def test_events_are_picked_from_the_files_of_a_collection(loaded):
    """A list goes to the files of the collection that is asked for, as events with names do."""
    assert run("collections", "create", "aod.v9", "--from", "raw").exit_code == 0
    load = run("load", MUONS, "--dsid", 8, "--collection", "aod.v9")
    assert load.exit_code == 0, load.stderr
    listed = run("events", "--collection", "aod.v9", "--limit", 2, "--names", "-o", "list.csv")
    assert listed.exit_code == 0, listed.stderr
    header, *lines = Path("list.csv").read_text().splitlines()
    assert header.endswith(",fuid_raw,file_name,file_bytes,file_checksum")
    assert all(f"{MUONS_UUID},cms/nano 1.root,{MUONS.stat().st_size}," in each for each in lines)
    options = ["-o", "two.root", "--branches", "run,event"]
    picked = run("pick", "list.csv", "--collection", "aod.v9", *options)
    assert picked.exit_code == 0, picked.stderr
    assert "2 entries in two.root" in picked.stderr
    nobody = run("pick", "list.csv", "--collection", "nobody", *options)
    assert nobody.exit_code == 2
    assert "nobody" in nobody.stderr


def test_a_file_without_an_address_is_named(loaded):
    """A pick whose file nobody can find says so, and writes nothing."""
    columns = eventindex.EventColumns([eventindex.RawFile(FUID[:-2] + "99", 7)], 3, [5], [1])
    with eventindex.connect() as client:
        list(client.ingest([columns]))
    result = run("pick", "3", "5", "-o", "nothing.root")
    assert result.exit_code == 3
    assert "the index has no address of it" in result.stdout
    assert not Path("nothing.root").exists()


def test_a_generated_file_brings_the_names_of_its_raw_files():
    """What `generate --file-names` wrote is noted by `load`, and found by a pattern of names."""
    options = ["--runs", 1, "--run-first", 777, "--events", 20, "--file-names"]
    assert run("generate", "-o", "w.csv", *options).exit_code == 0
    loaded = run("load", "w.csv")
    assert loaded.exit_code == 0, loaded.stderr
    listed = run("files", "--name", "run777/*", "--format", "json").stdout
    assert {row["name"] for row in json.loads(listed)} == {
        "run777/stream0.0.raw",
        "run777/stream1.0.raw",
    }
