"""Parents and children of files through the real services: client and command line."""

from __future__ import annotations

import json
import uuid

import pytest

from eventindex.columns import EventColumns
from eventindex.errors import InvalidRequestError, NotFoundError
from eventindex.results import RawFile


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def store(client, collection, run, numbers, dsid):
    batch = EventColumns(
        [RawFile(fuid(dsid), dsid)], run, list(numbers), [1] * len(numbers), collection=collection
    )
    assert sum(ack.inserted for ack in client.ingest([batch])) == len(numbers)


def related(found):
    return [(one.collection, one.file.fuid_raw, one.file.dsid_raw, one.events) for one in found]


def test_a_file_has_parents_and_children(client, command):
    """Files that events came from and went into, step by step, with how many of each."""
    for name, source in (("reco", "raw"), ("aod.v1", "reco"), ("aod.v2", "reco"), ("sim", None)):
        client.create_collection(name, made_from=source or "")
    store(client, "raw", 1, range(1000), 10)
    store(client, "raw", 1, range(1000, 1010), 11)
    store(client, "reco", 1, range(500, 1005), 20)
    store(client, "aod.v1", 1, range(990, 1005, 5), 30)
    store(client, "aod.v2", 1, range(0, 1005, 100), 31)
    store(client, "sim", 1, range(1000), 40)

    aod = client.get_file(fuid(30), with_parents=True, with_children=True)
    assert related(aod.parents) == [
        ("reco", fuid(20), 20, 3),
        ("raw", fuid(10), 10, 2),
        ("raw", fuid(11), 11, 1),
    ]
    assert aod.children == []
    reco = client.get_file(fuid(20), with_children=True)
    assert (
        related(reco.children) == [("aod.v2", fuid(31), 31, 6), ("aod.v1", fuid(30), 30, 3)][::-1]
    )
    assert reco.parents == []
    raw = client.get_file(fuid(10), with_children=True, related_collections=["aod.v2"])
    assert related(raw.children) == [("aod.v2", fuid(31), 31, 10)]
    assert client.get_file(fuid(40), with_parents=True).parents == []

    table = command("files", "parents", fuid(30))
    assert table.exit_code == 0
    assert [line.split()[:4] for line in table.stdout.splitlines()[1:]] == [
        ["reco", fuid(20), "20", "3"],
        ["raw", fuid(10), "10", "2"],
        ["raw", fuid(11), "11", "1"],
    ]
    nearest = command("files", "parents", fuid(30), "--collection", "reco", "--format", "json")
    assert [row["fuid_raw"] for row in json.loads(nearest.stdout)] == [fuid(20)]
    listed = command("files", "children", fuid(20), "--format", "csv").stdout.splitlines()
    assert listed[0] == "collection,fuid_raw,dsid_raw,dataset_state,events,name"
    assert listed[1] == f"aod.v1,{fuid(30)},30,open,3,"

    for names, what in (
        (["sim"], "'sim' is not among the parents of 'aod.v1'"),
        (["esd"], "esd"),
        (["raw", "raw"], "twice"),
    ):
        with pytest.raises(InvalidRequestError, match=what):
            client.get_file(fuid(30), with_parents=True, related_collections=names)
    with pytest.raises(InvalidRequestError, match="with_parents or with_children"):
        client.get_file(fuid(30), related_collections=["raw"])
    with pytest.raises(NotFoundError):
        client.get_file(fuid(99), with_parents=True)
    assert command("files", "parents", fuid(30), "--collection", "sim").exit_code == 2
