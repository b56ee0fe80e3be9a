"""The metrics of several workers, whatever happens to the directories and processes around them."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess

import grpc
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventindex.v1 import lookup_pb2_grpc
from index_service.workers import shared_numbers
from index_service.workers.shared_numbers import SharedNumbers
from tests.support.lookups import request
from tests.support.processes import Service, wait_until

LIMIT_S = 30
PAIRS = "eventindex_lookup_pairs_total"


def test_a_second_process_sees_what_the_first_wrote():
    """Names and values are there for whoever opens the memory; a place stays what it was."""
    writer = SharedNumbers.make()
    places = {name: writer.place(name) for name in ("a", "b" * 7, "c" * 8, "é" * 9, "")}
    for value, place in enumerate(places.values()):
        writer[place] = value + 0.5
    reader = SharedNumbers(writer.file)
    assert [(n.name, n.value) for n in reader] == [
        (name, value + 0.5) for value, name in enumerate(places)
    ]
    assert {name: reader.place(name) for name in places} == places
    os.close(writer.file)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=40), st.floats(allow_nan=False), max_size=30))
def test_any_names_and_values_are_kept(numbers):
    """Whatever the names, each keeps its own value."""
    memory = SharedNumbers.make()
    for name, value in numbers.items():
        memory[memory.place(name)] = value
    assert {n.name: n.value for n in SharedNumbers(memory.file)} == numbers
    os.close(memory.file)


def test_a_name_too_many_has_no_place(monkeypatch):
    """Where the memory is full the numbers that are there stay right."""
    monkeypatch.setattr(shared_numbers, "MEMORY_BYTES", 4096)
    memory = SharedNumbers.make()
    names = [f"number {n}" for n in range(200)]
    places = [memory.place(name) for name in names]
    assert places[0] is not None
    assert places[-1] is None
    assert [n.name for n in memory] == names[: places.index(None)]
    os.close(memory.file)


def test_what_was_not_finished_does_not_count():
    """A writer that is killed in the middle of a new name leaves the others readable."""
    memory = SharedNumbers.make()
    memory[memory.place("whole")] = 1.0
    used = memory._words[0]
    memory.place("torn")
    memory._words[0] = used
    again = SharedNumbers(memory.file)
    assert [n.name for n in again] == ["whole"]
    again[again.place("new")] = math.pi
    assert [(n.name, n.value) for n in memory] == [("whole", 1.0), ("new", math.pi)]
    os.close(memory.file)


@pytest.fixture
def temporary(tmp_path):
    """A directory for temporary files of a service's own, 64 KiB large where root may make that."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory],
            check=False,
            capture_output=True,
        ).returncode
    )
    yield directory, mounted
    if mounted:
        subprocess.run(["umount", "-l", directory], check=True)


@pytest.fixture
def service(database_url, temporary):
    """Two workers whose temporary files are in that directory."""
    running = Service("index_service", database_url=database_url, index_workers=2)
    running.settings["TMPDIR"] = str(temporary[0])
    yield running.start()
    running.close()


def look_up(service, times=24):
    """Lookups of one absent pair each, over connections of their own."""
    with contextlib.ExitStack() as stack:
        for _ in range(times):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(service.address, options))
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            stub.Lookup(request([7], [1]), wait_for_ready=True, timeout=LIMIT_S)


def check(service, looked_up):
    """The metrics page counts all lookups, and the service is ready and alive."""
    assert service.metric(PAIRS) == looked_up
    assert service.metric("eventindex_build_info") == 1
    assert service.page("/readyz")[0] == service.page("/healthz")[0] == 200


def test_a_cleaner_of_temporary_files_takes_no_metrics(service, temporary):
    """With the directory gone the counts go on, also those of a worker that is started again."""
    look_up(service)
    shutil.rmtree(temporary[0], ignore_errors=True)
    look_up(service)
    check(service, 48)
    restart_a_worker(service)
    look_up(service)
    check(service, 72)
    assert "Traceback" not in service.log.read_text()


def restart_a_worker(service):
    """Kill a worker and wait until it has another process."""
    victim = psutil.Process(service.process.pid).children()[0]
    victim.kill()
    wait_until(lambda: "SIGKILL" in service.page("/readyz")[1], what="notice of the end")
    all_answer = (200, "worker 1: ok\nworker 2: ok\n")
    wait_until(lambda: service.page("/readyz") == all_answer, what="the next process")


def test_a_full_directory_for_temporary_files_harms_nothing(service, temporary):
    """With no byte left lookups are answered and counted, by new workers too."""
    directory, mounted = temporary
    if not mounted:
        pytest.skip("only root may mount a file system that is small enough to be filled")
    with contextlib.suppress(OSError), (directory / "full").open("wb") as full:
        while full.write(bytes(4096)):
            full.flush()
    look_up(service)
    restart_a_worker(service)
    look_up(service)
    check(service, 48)
    assert "Traceback" not in service.log.read_text()


def test_truncated_files_of_a_killed_worker_harm_nothing(service, temporary):
    """A worker dies and whatever it left is emptied: the page stays whole."""
    look_up(service)
    restart_a_worker(service)
    for path in temporary[0].rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    check(service, 24)
    restart_a_worker(service)
    check(service, 24)


def test_the_service_starts_without_a_place_for_temporary_files(database_url, tmp_path):
    """A directory for temporary files that is not there does not keep the service from serving."""
    running = Service("index_service", database_url=database_url, index_workers=2)
    running.settings["TMPDIR"] = str(tmp_path / "nowhere")
    running.start()
    look_up(running, 4)
    check(running, 4)
    assert running.terminate() == 0
    running.close()
