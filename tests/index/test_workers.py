"""index_service as several workers on one port: who answers, what is counted, how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import grpc
import psutil
import pytest

from eventindex.v1 import lookup_pb2_grpc
from tests.conftest import execute
from tests.support.lookups import request, store_events
from tests.support.processes import Service, wait_until

CLIENTS = 24  # the chance that one of two workers gets none of them is 1 in 8 million
LIMIT_S = 30
METRICS_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture
def make(database_url):
    """Make services that are not started yet; all are killed in the end."""
    with contextlib.ExitStack() as stack:

        def make(**settings):
            service = Service("index_service", database_url=database_url, **settings)
            stack.callback(service.close)
            return service

        yield make


@pytest.fixture
def service(make):
    """A running index_service with two workers."""
    return make(index_workers=2).start()


def workers(service):
    """The worker processes."""
    return psutil.Process(service.process.pid).children()


@contextlib.contextmanager
def clients(service, count=CLIENTS):
    """Stubs that hold a connection each, as processes of their own would."""
    with contextlib.ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            stack.enter_context(grpc.insecure_channel(service.address, options))
            for _ in range(count)
        ]
        for channel in channels:
            grpc.channel_ready_future(channel).result(LIMIT_S)
        yield [lookup_pb2_grpc.IndexServiceStub(channel) for channel in channels]


def connections(worker):
    """How many clients a worker serves."""
    found = worker.net_connections("tcp")
    ports = {c.laddr.port for c in found if c.status == psutil.CONN_LISTEN}
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port in ports for c in found)


def test_every_worker_answers_what_is_committed(service, database_url):
    """Clients are spread over the workers, and each finds an event that was just committed."""
    with clients(service) as stubs:
        shares = [connections(worker) for worker in workers(service)]
        assert len(shares) == 2
        assert all(shares)
        assert sum(shares) == CLIENTS
        for event in (1, 2):
            assert {stub.Lookup(request([7], [event])).found for stub in stubs} == {0}
            store_events(database_url, 7, [event])
            assert {stub.Lookup(request([7], [event])).found for stub in stubs} == {1}


def test_metrics_are_those_of_one_service(service, database_url):
    """One page, the documented one, sums up all workers, with the whole memory bound."""
    store_events(database_url, 7, [1])
    with clients(service) as stubs:
        for stub in stubs:
            stub.Lookup(request([7], [1, 2]))
    name = "eventindex_request_seconds_count"
    assert service.metric(f'{name}{{code="OK",method="Lookup"}}') == CLIENTS
    assert service.metric("eventindex_lookup_pairs_total") == 2 * CLIENTS
    assert service.metric("eventindex_cache_pages") == 2
    assert service.metric("eventindex_cache_misses_total") == 2 * 2
    assert service.metric("eventindex_cache_hits_total") == 2 * (CLIENTS - 2)
    assert service.metric("eventindex_cache_bytes_max") == 256 * 1024 * 1024
    assert service.metric("eventindex_database_up") == 1
    assert service.metric("eventindex_build_info") == 1
    batches = 'eventindex_lookup_batch_seconds_count{method="Lookup"}'
    assert service.metric(batches) == CLIENTS
    assert service.metric('eventindex_lookup_batch_pairs_sum{method="Lookup"}') == 2 * CLIENTS
    assert service.metric("eventindex_requests_running") == 0
    assert service.metric("eventindex_requests_running_max") == 2 * 1024
    processes = [psutil.Process(service.process.pid), *workers(service)]
    memory = sum(process.memory_info().rss for process in processes)
    assert 0.8 * memory < service.metric("process_resident_memory_bytes") < 1.2 * memory
    documented = METRICS_PAGE.read_text("utf-8").partition("\n## index_service")[2]
    documented = documented.partition("\n## ")[0]
    assert set(re.findall(r"^# TYPE (eventindex_\w+)", service.page("/metrics")[1], re.M)) == set(
        re.findall(r"^\| `(eventindex_\w+)", documented, re.M)
    )


def test_a_worker_that_dies_is_started_again(service, database_url):
    """Clients go on, the service stays ready, the log says why, and counters do not go back."""
    store_events(database_url, 7, [1])
    with clients(service) as stubs:
        for stub in stubs:
            stub.Lookup(request([7], [1]))
        victim = workers(service)[0]
        victim.kill()
        gone = r"worker \d: process \d+ was ended by SIGKILL; the others answer\n"
        ready = wait_until(
            lambda: re.search(gone, service.page("/readyz")[1]) and service.page("/readyz"),
            what="what /readyz says",
        )
        assert ready[0] == 200
        assert service.metric("eventindex_cache_pages") == 1
        assert service.page("/healthz")[0] == 200
        for stub in stubs:
            assert stub.Lookup(request([7], [1]), wait_for_ready=True).found == 1
        all_answer = (200, "worker 1: ok\nworker 2: ok\n")
        wait_until(lambda: service.page("/readyz") == all_answer, what="the worker")
    assert len(workers(service)) == 2
    assert victim.pid not in {worker.pid for worker in workers(service)}
    assert re.search(rf"worker \d: process {victim.pid} was ended by SIGKILL", service.tail())
    assert service.metric("eventindex_lookup_pairs_total") == 2 * CLIENTS


def test_the_database_is_away_for_every_worker(service, database_url):
    """Readiness names each worker that cannot reach PostgreSQL; liveness stays."""
    assert service.page("/readyz") == (200, "worker 1: ok\nworker 2: ok\n")
    name = database_url.rpartition("/")[2]
    elsewhere = f"{database_url.rpartition('/')[0]}/postgres"
    execute(elsewhere, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(elsewhere, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       f"WHERE datname = '{name}'")  # fmt: skip
    wait_until(
        lambda: re.fullmatch(
            r"worker 1: .*conn.*\nworker 2: .*conn.*\n", service.page("/readyz")[1]
        ),
        what="both workers not ready",
    )
    assert service.page("/healthz")[0] == 200
    assert service.metric("eventindex_database_up") == 0


def test_sigterm_drains_every_worker(service, database_url):
    """Streams in progress on both workers are answered; then nothing is left."""
    store_events(database_url, 7, [1])
    processes = workers(service)
    with clients(service) as stubs:
        calls = [stub.LookupStream(iter([request([7], [1])] * 3)) for stub in stubs]
        assert {next(call).found for call in calls} == {1}
        service.process.send_signal(signal.SIGTERM)
        assert {next(call).found for call in calls for _ in range(2)} == {1}
        assert [list(call) for call in calls] == [[]] * CLIENTS
    assert service.process.wait(LIMIT_S) == 0
    assert not psutil.wait_procs(processes, timeout=0)[1]


def test_kill_9_of_the_supervisor_leaves_nobody(service):
    """No worker goes on serving, and the service can be started again at once."""
    processes = workers(service)
    with clients(service):
        service.kill()
        assert not psutil.wait_procs(processes, timeout=LIMIT_S)[1]
    service.start()
    with clients(service) as stubs:
        assert {stub.Lookup(request([7], [1])).not_found for stub in stubs} == {1}


@pytest.mark.slow
def test_a_worker_that_hangs_shows_and_does_not_hold_the_stop(make):
    """Liveness fails for a silent worker; at a stop it is killed after the grace period."""
    service = make(index_workers=2, shutdown_grace_s=0).start()
    processes = workers(service)
    os.kill(processes[0].pid, signal.SIGSTOP)
    wait_until(lambda: service.page("/healthz")[0] == 503, what="/healthz 503")
    silent = r"worker 1: no progress for 1\d s\nworker 2: ok\n"
    assert re.match(silent, service.page("/healthz")[1])
    assert service.terminate() == 0
    assert not psutil.wait_procs(processes, timeout=0)[1]


@pytest.mark.parametrize("second_workers", [1, 2])
def test_a_second_service_does_not_join_the_port(make, service, second_workers):
    """A service that was started twice says so and ends, even while no worker listens."""
    for worker in workers(service):
        worker.kill()
    second = make(index_workers=second_workers, index_address=service.address).start(wait="")
    assert second.process.wait(LIMIT_S) == 1
    assert f"cannot listen on {service.address}: Address already in use" in second.tail()
    wait_until(lambda: service.page("/readyz")[0] == 200, what="/readyz 200")


def test_any_free_port_is_one_port(make):
    """With port 0 all workers share the port that the log names."""
    service = make(index_workers=2, index_address="127.0.0.1:0").start()
    service.address = re.search(r"serving lookups on (\S+) with 2 workers", service.tail())[1]
    with clients(service):
        assert all(connections(worker) for worker in workers(service))


@pytest.mark.parametrize(("option", "count"), [("1", 0), ("3", 3)])
def test_the_option_goes_before_the_setting(make, option, count):
    """`--workers N` starts N workers; with one there is no process but the service's own."""
    service = make(index_workers=2).start("--workers", option)
    assert len(workers(service)) == count


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["--workers", "many"], {}, "argument --workers: invalid int value: 'many'"),
        (["--workers", "257"], {}, "EVENTINDEX_INDEX_WORKERS: "),
        ([], {"index_workers": -1}, "EVENTINDEX_INDEX_WORKERS: "),
        (
            ["--workers", "3"],
            {"cache_bytes_max": 3_000_000},
            "EVENTINDEX_CACHE_BYTES_MAX=3000000 leaves less than 1048576 bytes for each of "
            "EVENTINDEX_INDEX_WORKERS=3",
        ),
        ([], {"index_workers": 2, "tls_cert": "/no", "tls_key": "/no"}, "No such file"),
        ([], {"index_workers": 2, "index_address": "0.0.0.0:1"}, "would serve without TLS"),
    ],
)
def test_a_service_that_cannot_serve_says_why(make, arguments, settings, words):
    """Wrong values, and workers that cannot start at all, end the start."""
    service = make(**settings).start(*arguments, wait="")
    assert service.process.wait(LIMIT_S) in {1, 2}
    assert words in service.tail()


def test_a_database_that_cannot_be_used_ends_the_start(make, database_url):
    """What the workers find wrong with the database is said, and the service ends."""
    execute(database_url, "DROP TABLE schema_migration")
    service = make(index_workers=2).start(wait="")
    assert service.process.wait(LIMIT_S) == 1
    assert "the database cannot be used: " in service.tail()
