"""Good-run lists: the forms of three experiments, and selections that are held to them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

import eventindex
from event_store.model import EventColumns, RawFile
from event_store.write.writer import Store
from eventindex.limits import RUN_RANGES_MAX
from eventindex.run_lists import merged, parse_run_list
from tests.support.command import run

GRL = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LumiRangeCollection SYSTEM "http://atlas-runquery.cern.ch/LumiRangeCollection.dtd">
<LumiRangeCollection><NamedLumiRange><Name>data24</Name>
<LumiBlockCollection><Run>7</Run><LBRange Start="1" End="9"/><LBRange Start="12" End="15"/>
</LumiBlockCollection>
<LumiBlockCollection><Run>9</Run><LBRange Start="1" End="2"/></LumiBlockCollection>
<LumiBlockCollection><Run>11</Run></LumiBlockCollection>
</NamedLumiRange></LumiRangeCollection>"""
BOMB = '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>'
FILES = [RawFile(uuid.UUID(int=i + 1), i) for i in range(2)]


@pytest.mark.parametrize(
    ("text", "ranges", "not_used"),
    [
        ("7\n9 # comment\n\n8\n", ((7, 9),), ""),
        ("\ufeffrun\r\n3-5\r\n20 - 30\r\n4..6\r\n", ((3, 6), (20, 30)), ""),
        ('{"7": [[1, 9], [12, 15]], "9": [[1, 2]], "11": []}', ((7, 7), (9, 9)), "3 ranges of lum"),
        (GRL, ((7, 7), (9, 9)), "3 ranges of luminosity blocks are not used"),
        ("", (), ""),
    ],
)
def test_every_form_is_read(text, ranges, not_used):
    """Plain lists, the JSON of CMS and the XML of ATLAS give ranges; what is not used is said."""
    found = parse_run_list(text.encode())
    assert found.ranges == ranges
    assert found.not_used.startswith(not_used)
    assert bool(found.not_used) == bool(not_used)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("7\nx\n", "line 2: 'x' is neither a run nor a range"),
        ("7 8\n", "line 1: '7 8' is neither a run nor a range"),
        ("9-7\n", "line 1: 9 to 7 is reversed"),
        (f"{2**63}\n", "is not a run number from 0 to 2^63-1"),
        ("\xff", "is not UTF-8 at byte 1"),
        ('{"7": [[1, 2]], "7": []}', "key '7' is repeated"),
        ('{"7": [1, 2]}', "run 7: [1, 2] is not a list of [first, last]"),
        ('{"seven": []}', "run: 'seven' is not a run number"),
        ("[7, 8]", "no object of runs"),
        ("{", "not JSON"),
        ("{" * 100_000, "not JSON"),
        ("<a>", "not XML"),
        ("<a/>", "no good-run list"),
        (BOMB, "XML with entities of its own is not read"),
        ("\n".join(str(2 * n) for n in range(RUN_RANGES_MAX + 1)), "has 10,001 ranges of runs"),
    ],
)
def test_what_is_no_list_is_refused(text, problem):
    """A list that cannot be read says where and why."""
    with pytest.raises(ValueError, match=problem.replace("[", r"\[").replace("^", r"\^")):
        parse_run_list(text.encode("latin-1" if text == "\xff" else "utf-8"))


def test_ranges_that_touch_are_one():
    """However runs are listed, the ranges are ascending and apart."""
    assert merged([(5, 6), (1, 2), (3, 3), (6, 9), (11, 11)]) == ((1, 3), (5, 9), (11, 11))


def test_selections_take_runs_of_a_list(
    database_url: str, index_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Lists and counts are of the listed runs alone, with any other condition, page after page."""
    store_events(database_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    ranges = ((3, 5), (9, 9), (1000, 2000))
    runs = [3, 4, 5, 9]
    with eventindex.connect() as index:
        found = list(index.list_events(run_ranges=ranges))
        assert pairs_of(found) == [(run, event) for run in runs for event in EVENTS]
        after = pairs_of(index.list_events(run_ranges=ranges, after=(4, EVENTS[1])))
        assert after == [p for p in pairs_of(found) if p > (4, EVENTS[1])]
        clipped = index.list_events(run_ranges=ranges, runs=(5, None))
        assert {run for run, _ in pairs_of(clipped)} == {5, 9}
        of_file = index.list_events(run_ranges=ranges, file=str(FILES[1].fuid))
        assert pairs_of(of_file) == [(run, EVENTS[1]) for run in runs]
        assert index.count_events(run_ranges=ranges).total == 12
        assert index.count_events(run_ranges=ranges, dataset=0).total == 8
        assert index.count_events(run_ranges=ranges, events=(1, None)).total == 8
        by_run = index.count_events(run_ranges=ranges, by="run").counts
        assert [(count.run_number, count.events) for count in by_run] == [(r, 3) for r in runs]
        many = tuple((2 * n, 2 * n) for n in range(RUN_RANGES_MAX))
        assert index.count_events(run_ranges=many).total == 15
        assert {run for run, _ in pairs_of(index.list_events(run_ranges=many))} == {0, 2, 4, 6, 8}
        for wrong, problem in (
            (((5, 4),), "5 to 4 is reversed"),
            ((), "run_ranges is empty"),
            (((1, None),), "not two numbers"),
            ((*many, (99_999, 99_999)), "has 10,001 ranges, above 10,000"),
        ):
            with pytest.raises(ValueError, match=problem):
                index.count_events(run_ranges=wrong)
    Path("good.json").write_text(json.dumps({"3": [[1, 5]], "9": [[1, 2]]}))
    counted = run("counts", "--runs-file", "good.json", "--by", "run", "--format", "csv")
    assert counted.stdout.splitlines() == ["run_number,events", "3,3", "9,3"]
    assert "good.json: 2 ranges of luminosity sections are not used" in counted.stderr
    looked_up = run("lookup", "-", "--runs-file", "good.json", text="3 0\n4 0\n9 8192\n")
    assert looked_up.exit_code == 0
    assert "1 pair left out: their runs are not in --runs-file" in looked_up.stderr
    assert "2 pairs: 2 found" in looked_up.stderr
    Path("bad.txt").write_text("x\n")
    assert "bad.txt: line 1: 'x' is neither a run" in run("events", "--runs-file", "bad.txt").stderr
    Path("empty.txt").write_text("# none\n")
    refused = run("events", "--runs-file", "empty.txt")
    assert (refused.exit_code, "names no run" in refused.stderr) == (2, True)


# In two pages; the second is in another file.
EVENTS = (0, 1, 8192)


def store_events(url: str) -> None:
    """Store three events of each of ten runs."""
    runs = np.repeat(np.arange(10), 3)
    store = Store(url)
    store.write(
        EventColumns(
            runs,
            np.tile(np.array(EVENTS), 10),
            np.zeros(30, np.uint64),
            np.tile(np.array([0, 1, 0], np.int32), 10),
            FILES,
            np.zeros(30, np.int32),
            ["test"],
        )
    )
    store.close()


def pairs_of(batches) -> list[tuple[int, int]]:
    return [
        pair
        for batch in batches
        for pair in zip(batch.run_numbers.tolist(), batch.event_numbers.tolist(), strict=True)
    ]
