"""`eventindex compare`: a list of another catalogue against a real index."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.support.command import run

MIX = ["--runs", 3, "--events", 4000, "--streams", 4, "--events-per-file", 300, "--datasets", 2,
       "--dsid", 7]  # fmt: skip
HEADER = ["fuid_raw", "dsid_raw", "run_number", "events"]


@pytest.fixture
def manifest(
    ingest_address: str, index_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, str]]:
    """The rows of the manifest m.csv of a loaded index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    for name in ("m.csv", "m.json"):
        assert run("generate", "-o", "a.parquet", *MIX, "--manifest", name).exit_code == 0
    assert run("load", "a.parquet").exit_code == 0
    return list(csv.DictReader(Path("m.csv").read_text().splitlines()))


def write(rows: list[dict[str, str]], fields: list[str] = HEADER) -> None:
    """Write rows to list.csv, with some of their columns."""
    with Path("list.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def differences(*arguments: object) -> list[tuple[str, ...]]:
    """What compare says of list.csv: difference, kind, file or dataset, expected, found."""
    result = run("compare", "list.csv", "--format", "csv", *arguments)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == (3 if rows else 0)
    return [
        (
            row["difference"],
            row["kind"],
            row["fuid_raw"] or row["dsid_raw"],
            row["expected"],
            row["found"],
        )
        for row in rows
    ]


def plant(rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[tuple[str, ...]]]:
    """A list with three mistakes, and what compare should say: missing, differing, extra."""
    files = [row for row in rows if row["fuid_raw"]]
    absent = {**files[0], "fuid_raw": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "events": "5"}
    other = {**files[1], "events": str(int(files[1]["events"]) + 1)}
    left_out = files[2]
    planted = [absent, files[0], other, *files[3:]]
    return planted, [
        ("missing", "file", absent["fuid_raw"], "5", ""),
        ("differing", "file", other["fuid_raw"], other["events"], files[1]["events"]),
        ("extra", "file", left_out["fuid_raw"], "", left_out["events"]),
    ]


def test_what_was_generated_and_loaded_is_equal(manifest: list[dict[str, str]]):
    """Both forms of the manifest agree with the index, compressed too: exit code 0."""
    Path("m.csv.gz").write_bytes(gzip.compress(Path("m.csv").read_bytes()))
    files = sum(bool(row["fuid_raw"]) for row in manifest)
    for name in ("m.csv", "m.json", "m.csv.gz"):
        result = run("compare", name)
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"{files} files and 2 datasets compared: 0 missing, 0 extra, 0" in result.stderr


def test_lists_as_people_have_them(manifest: list[dict[str, str]]):
    """Delimiters, capitals, line ends, encodings, compression and tables are those of `lookup`."""
    text = Path("m.csv").read_text()
    rows = [{key: value or None for key, value in row.items()} for row in manifest]
    numbers = [{**row, "events": int(row["events"])} for row in rows]
    parquet.write_table(pa.Table.from_pylist(numbers), "m.parquet")
    lists = {
        "semicolons": text.replace(",", ";").upper().encode(),
        "tabs, CR": text.replace(",", "\t").replace("\n", "\r").encode(),
        "Excel": b"sep=;\r\n" + text.replace(",", ";").replace("\n", "\r\n").encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-16-BE": text.encode("utf-16-be"),
        "zst": pa.compress(text.encode(), "zstd").to_pybytes(),
        "Parquet": Path("m.parquet").read_bytes(),
    }
    for name, data in lists.items():
        Path("list.csv").write_bytes(data)
        result = run("compare", "list.csv")
        assert result.exit_code == 0, (name, result.stderr)
        assert "0 missing, 0 extra, 0 differing" in result.stderr
    Path("list.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    refused = run("compare", "list.csv")
    assert refused.exit_code == 2
    assert "list.csv: a zip archive or a workbook of a spreadsheet, not a list" in refused.stderr


@pytest.mark.parametrize(
    "fields", [HEADER, ["fuid_raw", "dsid_raw", "events"], ["fuid_raw", "run_number", "events"]]
)
def test_three_planted_differences_are_found(manifest: list[dict[str, str]], fields: list[str]):
    """A file too many, one too few and a wrong number are found, by run or by dataset."""
    planted, expected = plant(manifest)
    write(planted, fields)
    assert sorted(differences()) == sorted(expected)


def test_formats_and_exit_code(manifest: list[dict[str, str]]):
    """JSON has numbers, the table is for people, the summary is beside them, and exit is 3."""
    planted, expected = plant(manifest)
    write(planted)
    result = run("compare", "list.csv", "--format", "json")
    assert result.exit_code == 3
    assert "1 missing, 1 extra, 1 differing" in result.stderr
    found = {row["difference"]: row for row in json.loads(result.stdout)}
    assert found["missing"]["found"] is None
    assert found["differing"]["found"] == int(expected[1][4])
    table = run("compare", "list.csv").stdout
    for entry in expected:
        assert any(entry[0] in line and entry[2] in line for line in table.splitlines())


def test_datasets_by_number_and_name(manifest: list[dict[str, str]]):
    """Whole datasets are compared by number or name; one that the index lacks is missing."""
    events = {row["dsid_raw"]: row["events"] for row in manifest if not row["fuid_raw"]}
    rows = [{"dsid_raw": "7", "events": events["7"]}, {"dataset": "dsid-8", "events": events["8"]}]
    Path("list.json").write_text(json.dumps(rows))
    assert run("compare", "list.json").exit_code == 0
    write(
        [
            {"dsid_raw": "7", "events": "1"},
            {"dsid_raw": "9", "events": "2"},
            {"dataset": "dsid-8", "events": "3"},
        ],
        ["dsid_raw", "dataset", "events"],
    )
    assert differences() == [
        ("differing", "dataset", "7", "1", events["7"]),
        ("missing", "dataset", "9", "2", ""),
        ("differing", "dataset", "8", "3", events["8"]),
    ]


def test_a_list_of_bare_files(manifest: list[dict[str, str]]):
    """Files without run and dataset are asked for one by one; --dsid makes the list a whole."""
    files = [row for row in manifest if row["dsid_raw"] == "7" and row["fuid_raw"]]
    fields = ["fuid_raw", "events"]
    write(files[1:], fields)
    assert differences() == []
    assert differences("--dsid", 7) == [
        ("extra", "file", files[0]["fuid_raw"], "", files[0]["events"])
    ]
    write([{"fuid_raw": "f" * 8 + files[0]["fuid_raw"][8:], "events": "4"}], fields)
    ((difference, *_),) = differences()
    assert difference == "missing"


def test_a_run_that_the_index_lacks(manifest: list[dict[str, str]]):
    """All files of a run or dataset that is not there are missing; that is no failure."""
    row = next(row for row in manifest if row["fuid_raw"])
    write([{**row, "run_number": "99"}])
    assert [found[0] for found in differences()] == ["missing"]
    write([{**row, "dsid_raw": "99", "run_number": ""}])
    assert [found[0] for found in differences()] == ["missing"]


def test_other_column_names(manifest: list[dict[str, str]]):
    """Columns of another catalogue are mapped, and others passed over."""
    with Path("list.csv").open("w") as out:
        out.write("GUID,size,nEvents,ds\n")
        out.writelines(
            f"{r['fuid_raw']},1.5,{r['events']},{r['dsid_raw']}\n"
            for r in manifest
            if r["fuid_raw"]
        )
    assert differences("--columns", "fuid_raw=GUID,events=nEvents,dsid_raw=ds") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fuid_raw,events\nx,1\n", "line 2: fuid_raw: 'x' is not a UUID"),
        ("dsid_raw,events\n1,x\n", "line 2: events: 'x' is not an integer"),
        ("dsid_raw,events\n1,\n", "line 2: events: is missing"),
        ("dsid_raw,events\n1,2,3\n", "line 2: 3 fields, not as many as the header"),
        ("dsid_raw,events\n,5\n", "line 2: fuid_raw: is missing, and so is a dataset"),
        ("dsid_raw,events\n1,2\n1,3\n", "line 3: dataset 1 is there twice, first at 2"),
        ("dsid_raw,events\n2147483648,2\n", "line 2: dsid_raw: 2147483648 is outside"),
        ("dsid_raw,run_number,events\n1,2,2\n", "line 2: run_number: 2 stands beside"),
        ("dsid_raw,evts\n1,2\n", "unknown column 'evts'"),
        ("dsid_raw\n1\n", "no column 'events'"),
        ("dsid_raw,events\n", "the list is empty"),
    ],
)
def test_bad_lists(tmp_path: Path, text: str, problem: str):
    """A list with a mistake is named with line, field and value, and nothing is compared."""
    path = tmp_path / "list.csv"
    path.write_text(text)
    result = run("compare", path, "--address", "127.0.0.1:9")
    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("5", "neither an array nor an object"),
        ('[{"dsid_raw": 1.0, "events": 1}]', "entry 1: dsid_raw: 1.0 is not an integer"),
        ('[{"dsid_raw": 1, "events": true}]', "entry 1: events: True is not an integer"),
        ('[{"dataset": 1, "events": 1}]', "entry 1: dataset: 1 is not a name"),
        ('[{"dsid": 1, "events": 1}]', "entry 1: unknown field 'dsid'"),
    ],
)
def test_bad_json_lists(tmp_path: Path, text: str, problem: str):
    """JSON is held to the same rules."""
    path = tmp_path / "list.json"
    path.write_text(text)
    result = run("compare", path, "--address", "127.0.0.1:9")
    assert result.exit_code == 2
    assert problem in result.stderr
