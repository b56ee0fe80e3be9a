"""Backups that are taken under load and restored, by the commands of docs/operations.md."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

import eventindex
from event_store.database.migrate import migrate
from tests.conftest import execute, query
from tests.support.processes import (
    POSTGRES_BIN_PATH,
    PostgresServer,
    Service,
    server_user,
    wait_until,
)

BATCH = 100
RUNS = (1, 2, 3)


def run(program: str, *arguments: object) -> None:
    """Run one of PostgreSQL's programs as the user of the servers, or skip the test without it."""
    path = POSTGRES_BIN_PATH / program
    if not path.exists():
        pytest.skip(f"{program} is missing: there is no {path}")
    subprocess.run([path, *map(str, arguments)], check=True, user=server_user(), cwd="/")


class Load(threading.Thread):
    """Ingests event after event, every tenth twice with another value, until it is stopped."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._client = eventindex.connect(ingest_address=address)
        self._stopping = threading.Event()
        self.acknowledged: list[tuple[int, int]] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            for number, _ in enumerate(self._client.ingest(self._batches())):
                self.acknowledged += self._keys(number)
        except BaseException as error:  # noqa: BLE001  # raised again by stop()
            self.error = error

    def _batches(self):
        number = 0
        while not self._stopping.is_set():
            keys = self._keys(number)
            yield batch(keys + keys[::10], [1] * BATCH + [2] * (BATCH // 10))
            number += 1

    def _keys(self, number: int) -> list[tuple[int, int]]:
        return [(RUNS[number % 3], number * BATCH + i) for i in range(BATCH)]

    def wait_for(self, more: int) -> list[tuple[int, int]]:
        """Wait for so many further acknowledgements; returns all that there are."""
        target = len(self.acknowledged) + more
        wait_until(lambda: self.error or len(self.acknowledged) >= target, what="acknowledgements")
        return list(self.acknowledged)

    def stop(self) -> None:
        """Send no more, and wait until what was sent is acknowledged."""
        self._stopping.set()
        self.join(60)
        self._client.close()
        if self.error is not None:
            raise self.error


def batch(keys: list[tuple[int, int]], files: list[int]) -> eventindex.EventColumns:
    """A batch of events in the files 1 and 2."""
    return eventindex.EventColumns(
        files=[eventindex.RawFile(str(uuid.UUID(int=i)), 10 + i) for i in (1, 2)],
        run_numbers=[run for run, _ in keys],
        event_numbers=[event for _, event in keys],
        file_indexes=files,
    )


def check_restored(url: str, keys: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """`eventindex verify` is clean and these events are there; returns all that are."""
    service = Service("ingest_service", database_url=url).start()
    verified = subprocess.run(
        [Path(sys.executable).with_name("eventindex"), "verify"],
        env=os.environ | {"EVENTINDEX_INGEST_ADDRESS": service.address},
        capture_output=True,
        text=True,
        check=False,
    )
    service.close()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "0 runs that differ" in verified.stdout + verified.stderr
    stored = set(query(url, "SELECT run_number, event_number FROM events"))
    assert len(stored) == query(url, "SELECT sum(n_events) FROM event_page")[0][0]
    assert set(keys) <= stored
    conflicts = query(url, "SELECT run_number, event_number FROM event_conflict")
    assert {(run, event) for run, event in keys if event % 10 == 0} <= set(conflicts) <= stored
    return stored


class Restarted:
    """A run whose commits after the restore are as many as those that the backup lacks.

    Its generation is then what it was, and its pages hold other values.
    """

    RUN = 9

    def __init__(self, index: Service, ingest: Service) -> None:
        self._client = eventindex.connect(index.address, ingest_address=ingest.address)
        self._store(0, 1)

    def go_on(self) -> None:
        """Store what the backup lacks, and have it in the cache of index_service."""
        self._store(1, 1)
        self._store(2, 1)
        assert self._client.lookup([(self.RUN, 1), (self.RUN, 2)]).found == 2

    def check(self, kept: list[tuple[int, int]]) -> None:
        """The services that went on find what was restored and stored since, nothing else."""
        self._store(3, 2)
        self._store(1, 2)
        result = self._client.lookup([(self.RUN, event) for event in range(4)])
        first, second = (str(uuid.UUID(int=i)) for i in (1, 2))
        assert result.fuids().tolist() == [first, second, None, second]
        assert self._client.lookup(kept).found == len(kept)
        assert all(not check.differences for check in self._client.verify())
        self._client.close()

    def _store(self, event: int, file: int) -> None:
        (ack,) = self._client.ingest([batch([(self.RUN, event)], [file])])
        assert ack.inserted == 1


@pytest.fixture
def server():
    """A PostgreSQL of the test's own that archives its WAL."""
    own = PostgresServer()
    archive = own.directory / "archive"
    archive.mkdir(mode=0o777)
    archive.chmod(0o777)
    with (own.data / "postgresql.conf").open("a") as settings:
        settings.write(f"archive_mode = on\narchive_command = 'cp %p {archive}/%f'\n")
    own.start()
    execute(own.url(), "CREATE DATABASE eventindex")
    migrate(own.url("eventindex"))
    yield own
    own.close()


@pytest.fixture
def services(server):
    """Both services on that server."""
    url = server.url("eventindex")
    both = [
        Service(name, database_url=url, retry_max_s=0.5).start()
        for name in ("index_service", "ingest_service")
    ]
    yield both
    for service in both:
        service.close()


@pytest.mark.slow
def test_a_dump_under_load_is_restored_beside_the_old_index(server, services):
    """pg_dump has every event that was acknowledged before it began; the restored index is exact.

    The services that went on answer from it at once, though server, address and name are the same.
    """
    index, ingest = services
    restarted = Restarted(index, ingest)
    load = Load(ingest.address)
    acknowledged = load.wait_for(3_000)
    dump = server.directory / "eventindex.dump"
    run("pg_dump", "--format=custom", f"--file={dump}", server.url("eventindex"))
    load.wait_for(1_000)
    load.stop()
    restarted.go_on()

    execute(server.url(), "CREATE DATABASE restored")
    run("pg_restore", "--exit-on-error", f"--dbname={server.url('restored')}", dump)
    stored = check_restored(server.url("restored"), acknowledged)
    assert len(stored) < len(load.acknowledged)
    _exchange(server.url(), "eventindex", "restored")
    restarted.check(acknowledged)


def _exchange(url: str, old: str, new: str) -> None:
    execute(url, f"ALTER DATABASE {old} ALLOW_CONNECTIONS false")
    execute(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE datname IN ('{old}', '{new}')",
    )
    execute(url, f"ALTER DATABASE {old} RENAME TO broken")
    execute(url, f"ALTER DATABASE {new} RENAME TO {old}")


@pytest.mark.slow
def test_a_base_backup_under_load_is_restored_with_what_came_after(server, services):
    """pg_basebackup alone has what was acknowledged before it began, with the WAL archive all."""
    index, ingest = services
    restarted = Restarted(index, ingest)
    load = Load(ingest.address)
    acknowledged = load.wait_for(3_000)
    base = server.directory / "base"
    run("pg_basebackup", f"--dbname={server.url()}", f"--pgdata={base}", "--checkpoint=fast")
    run("pg_verifybackup", base)
    load.wait_for(1_000)
    load.stop()
    ((segment,),) = query(server.url(), "SELECT pg_walfile_name(pg_switch_wal())")
    wait_until((server.directory / "archive" / segment).exists, what="the last WAL segment")
    restarted.go_on()
    server.kill()

    alone = _copy(server, base, "alone", "archive_mode = off")
    alone.start()
    check_restored(alone.url("eventindex"), acknowledged)
    alone.stop()

    restore = f"restore_command = 'cp {server.directory}/archive/%f %p'"
    restored = _copy(server, base, "restored", restore)
    (restored.data / "recovery.signal").touch()
    restored.start()
    wait_until(
        lambda: query(restored.url(), "SELECT NOT pg_is_in_recovery()")[0][0], what="recovery"
    )
    stored = check_restored(restored.url("eventindex"), load.acknowledged)
    assert stored == {*load.acknowledged, (Restarted.RUN, 0)}
    restarted.check(load.acknowledged)
    restored.stop()


def _copy(server: PostgresServer, base: Path, name: str, setting: str) -> PostgresServer:
    """A server on the same port, from a copy of a base backup."""
    data = server.directory / name
    subprocess.run(["cp", "-a", base, data], check=True)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"{setting}\n")
    other = copy.copy(server)
    other.data, other._process = data, None
    return other
