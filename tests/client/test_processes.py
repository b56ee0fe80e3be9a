"""Results, errors and clients across processes: pickled, copied, forked."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eventindex
from eventindex import errors
from eventindex.admin_results import (
    to_access_token,
    to_criterion,
    to_dead_letter,
    to_door_status,
    to_run_check,
)
from eventindex.catalogue_results import (
    to_conflict,
    to_cosmic_counts,
    to_cosmic_event,
    to_dataset,
    to_file_of_run,
)
from eventindex.lookup_messages import decode
from eventindex.pairs import to_pairs
from eventindex.results import to_ack, to_event, to_result
from eventindex.run_results import to_index_status, to_run, to_run_gaps
from eventindex.selection_results import Events, to_counts
from eventindex.v1 import admin_pb2, event_pb2, ingest_pb2, lookup_pb2
from tests.support.client import Server, fuid

ROOT = Path(__file__).parents[2]
COPIES: dict[str, Callable[[Any], Any]] = {
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    **{
        f"pickled by protocol {number}": lambda value, number=number: pickle.loads(
            pickle.dumps(value, number)
        )
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


def filled(message: Any) -> Any:
    """A message whose every field is set."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values = getattr(message, field.name)
            value = field.message_type.fields_by_name["value"]
            if value.message_type:
                filled(values["BinIn0"])
            else:
                values["x"] = "x" if value.type == value.TYPE_STRING else 1
        elif field.is_repeated:
            values = getattr(message, field.name)
            if field.message_type:
                filled(values.add())
            else:
                values.append("x" if field.type == field.TYPE_STRING else 1)
        elif field.message_type:
            filled(getattr(message, field.name))
        else:
            kinds = {field.TYPE_STRING: "x", field.TYPE_BYTES: b"x", field.TYPE_BOOL: True}
            setattr(message, field.name, kinds.get(field.type, 1))
    return message


def lookup_result() -> eventindex.LookupResult:
    response = lookup_pb2.LookupResponse(
        files=[event_pb2.RawFile(fuid_raw=fuid(1), dsid_raw=7, dataset_state=2)],
        file_indexes=[1, 0], olt_results=[5, 0], found=1, not_found=1,
    )  # fmt: skip
    pairs = to_pairs((1, np.array([2, 3])))
    return to_result(pairs, decode(response.SerializeToString()), with_olt_result=True)


def events() -> Events:
    file = event_pb2.RawFile(fuid_raw=fuid(1), dsid_raw=7)
    return Events(
        event_pb2.EventBatch(
            files=[file], run_numbers=[1], event_numbers=[2, 3], file_indexes=[1, 1]
        )
    )


VALUES: list[Any] = [
    to_access_token(filled(admin_pb2.Token())),
    to_ack(filled(ingest_pb2.IngestAck())),
    to_conflict(filled(lookup_pb2.Conflict())),
    to_cosmic_counts(filled(lookup_pb2.CountCosmicEventsResponse())),
    to_cosmic_event(filled(event_pb2.CosmicEvent())),
    to_counts(filled(lookup_pb2.CountEventsResponse())),
    to_criterion(filled(admin_pb2.Criterion())),
    to_dataset(filled(lookup_pb2.Dataset())),
    to_dead_letter(filled(admin_pb2.DeadLetter())),
    eventindex.DeleteProgress(1, 2),
    to_door_status(filled(admin_pb2.DoorStatus())),
    to_event(filled(lookup_pb2.GetEventResponse())),
    to_file_of_run(filled(lookup_pb2.FileOfRun())),
    to_index_status(filled(lookup_pb2.IndexStatusResponse())),
    to_run(filled(lookup_pb2.Run())),
    to_run_check(filled(admin_pb2.VerifyResponse())),
    to_run_gaps(filled(lookup_pb2.RunGapsResponse())),
    eventindex.NotedFiles(
        1, 2, 3, [(eventindex.FileInfo(fuid(1), "a"), eventindex.FileInfo(fuid(1), "b"))]
    ),
    eventindex.RunList(((1, 2), (5, 5)), "luminosity sections"),
]
OUTCOME = eventindex.FileOutcome(fuid(1), "a.root", 2, 1, np.array([1]), "", None)
COLUMNS: list[Any] = [
    eventindex.PickReport((np.array([1, 1]), np.array([2, 3])), [OUTCOME], np.array([1])),
    lookup_result(),
    events(),
    eventindex.EventColumns([eventindex.RawFile(fuid(1), 7)], 1, [2], [1], [3]),
    eventindex.FileContent(
        [to_file_of_run(filled(lookup_pb2.FileOfRun()))],
        [events()],
        [eventindex.RelatedFile(eventindex.RawFile(fuid(1), 7), "raw", 3)],
    ),
]


def parts(value: Any) -> Any:
    """What a result holds, for a comparison."""
    if isinstance(value, eventindex.LookupResult | Events):
        names = ("run_numbers", "event_numbers", "file_indexes", "olt_results", "files")
        found = {name: parts(getattr(value, name)) for name in names}
        return found | {"fuids": value.fuids().tolist(), "text": repr(value)}
    if isinstance(value, eventindex.PickReport):
        return [parts(getattr(value, each.name)) for each in dataclasses.fields(value)]
    if isinstance(value, eventindex.EventColumns):
        return [parts(getattr(value, name)) for name in value.__slots__]
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    return [parts(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("value", VALUES + COLUMNS, ids=lambda value: type(value).__name__)
def test_results_go_to_other_processes(value: Any, again: Callable[[Any], Any]):
    """Whatever a call returns can be pickled and copied, and is the same afterwards."""
    made = again(value)
    assert type(made) is type(value)
    assert parts(made) == parts(value)


def test_no_result_is_left_out():
    """Each class of results that the package names is among those that are tried here."""
    tried = set()

    def look(value: Any) -> None:
        tried.add(type(value))
        if isinstance(value, list | tuple):
            for each in value:
                look(each)
        if isinstance(value, dict):
            look(list(value.values()))
        if isinstance(files := getattr(value, "files", None), list):
            look(files)

    look(VALUES + COLUMNS)
    named = {getattr(eventindex, name) for name in eventindex.__all__}
    results = {each for each in named if inspect.isclass(each)
               and not issubclass(each, Exception | eventindex.Client)}  # fmt: skip
    enums = {eventindex.CountBy, eventindex.CosmicCountBy}
    assert results - tried == enums


def found_in(result: eventindex.LookupResult) -> tuple[int, list[Any]]:
    """What another process sees."""
    return result.found, result.to_pandas()["fuid_raw"].tolist()[:1]


def test_a_result_is_worked_on_in_another_process():
    """A pool of fresh processes takes results and gives them back."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(found_in, (lookup_result(),)) == (1, [fuid(1)])
        assert parts(pool.apply(copy.copy, (lookup_result(),))) == parts(lookup_result())


ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)
          if issubclass(kind, eventindex.EventIndexError)]  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_go_to_other_processes(kind: type[eventindex.EventIndexError]):
    """An error that a worker raises arrives as what it is."""
    made = pickle.loads(pickle.dumps(kind("127.0.0.1:1: away")))
    assert (type(made), str(made)) == (kind, "127.0.0.1:1: away")
    assert getattr(eventindex, kind.__name__) is kind


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
def test_a_client_says_that_it_cannot_be_pickled(again: Callable[[Any], Any]):
    """A client in a task of Dask or a Pool is an error that says what to do instead."""
    with (
        eventindex.connect("127.0.0.1:1") as client,
        pytest.raises(
            TypeError, match=r"cannot be pickled or copied: call eventindex\.connect\(\)"
        ),
    ):
        again({"client": client} if again is not copy.copy else client)


# Standard output: a JSON line a child. The parent has a stream under way in another thread, which
# is where gRPC in a child hangs.
FORKS = """
import json, os, sys
import numpy as np
import eventindex

client = eventindex.connect(sys.argv[1], timeout=20, retry_seconds_max=5)
unused = eventindex.connect(sys.argv[1], timeout=20, retry_seconds_max=5)
busy = sys.argv[2] == "busy"
if sys.argv[2] == "unused":
    if not os.fork():
        print(json.dumps(client.lookup([(1, 2)]).found), flush=True)
        os._exit(0)
    os.wait()
    sys.exit()
if busy:
    stream = client.lookup_stream((1, np.arange(5)) for _ in range(1000))
    assert next(stream).found == 5
else:
    assert client.lookup([(1, 2)]).found == 1

def child():
    tries = {
        "unused": lambda: unused.lookup([(1, 2)]),
        "new": lambda: eventindex.connect(sys.argv[1]).lookup([(1, 2)]),
        "lookup": lambda: client.lookup([(1, 2)]),
        "stream": lambda: next(client.lookup_stream([[(1, 2)]])),
        "list": lambda: next(client.list_events(run=1)),
        "change": lambda: client.criteria(),
        "runs": lambda: next(client.runs()),
        "ingest": lambda: next(client.ingest([eventindex.EventColumns([], 1, [], [])])),
    }
    if busy:
        tries["going on"] = lambda: next(stream)
    said = {}
    for name, call in tries.items():
        try:
            call()
            said[name] = "answered"
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"
    client.close()
    if busy:
        stream.close()
    return said

pid = os.fork()
if not pid:
    print(json.dumps(child()), flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
if busy:
    assert sum(result.found for result in stream) == 5 * 999
assert client.lookup([(1, 2)]).found == 1
client.close()
"""


@pytest.mark.parametrize("parent", ["busy", "idle", "unused"])
def test_a_client_in_a_fork_says_so(parent: str):
    """Every use in a fork of a process that had connected is an error at once, never a hang.

    The parent goes on; before its first call it may fork as it likes.
    """
    server = Server({(1, event): (fuid(1), 7, 0) for event in range(5)})
    try:
        done = subprocess.run(
            [sys.executable, "-c", FORKS, server.address, parent],
            cwd=ROOT, capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    said: Any = json.loads(done.stdout)
    if parent == "unused":
        assert said == 1
        return
    assert len(said) >= 8
    for text in said.values():
        assert text.startswith("RuntimeError: process ")
        assert "start processes by 'spawn' or 'forkserver'" in text
