"""`python -m tests.faults.soak`: everything at work for long, with a fault every two minutes.

What the processes and tables take goes into a CSV file every ten seconds and onto the screen every
minute; the last line is what the checker says of the ledger. `--document` makes the table of
docs/reliability.md from such a file.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path

import psutil
import psycopg2

from tests.conftest import query
from tests.faults import soak_table
from tests.faults.bench import RECOVERY_MAX_S, Bench
from tests.faults.ledger import Verdict
from tests.faults.senders import Lookups, Worker
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

MQTT_RATE = 1_000
GRPC_RATE = 100  # lookups ask for what was committed, which only gRPC tells
BAD_SHARE = 0.001
FAULTS_APART_S = 120
FAULTS_MIN = 10
SAMPLE_S = 10
SAMPLES_A_LINE = 6
# As in docker-compose.yml.
POSTGRES_SETTINGS = {"autovacuum_naptime": "10s", "shared_buffers": "512MB"}

_TABLES = (
    "SELECT pg_total_relation_size('event_page'), "
    "(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' "
    " AND relnamespace = 'public'::regnamespace AND relname <> 'event_page'), "
    "(SELECT coalesce(sum(n_events), 0)::bigint FROM run), "
    "(SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'eventindex%%')"
)


class Soak:
    """What runs, and the faults that are done to it in turn."""

    def __init__(self, bench: Bench, server: PostgresServer) -> None:
        bench.use_database(bench.database, f"127.0.0.1:{server.port}")
        self.bench = bench
        self.server = server
        self.broker = bench.broker()
        self.ingest = bench.ingest(self.broker.port)
        self.index = bench.index()
        bench.mqtt(self.broker.port, MQTT_RATE, bad_share=BAD_SHARE)
        bench.grpc(self.ingest, GRPC_RATE)
        self.lookups: Lookups = bench.lookups(self.index)

    def faults(self) -> Iterator[str]:
        """Do one fault after the other without end; what was done, and when things went on.

        The services are killed seldom enough for their memory to tell something in between.
        """
        database = (
            partial(self._database, "stopped", self.server.stop),
            partial(self._database, "kill -9", self.server.kill),
        )
        turns: tuple[Callable[[], str], ...] = (
            *(database[0], self._broker, self._kill_ingest, database[1], self._broker),
            *(database[0], self._broker, self._kill_index, database[1], self._broker),
        )
        for turn in cycle(turns):
            yield turn()

    def _kill_ingest(self) -> str:
        self.ingest.kill()
        self.ingest.start()
        return f"ingest_service kill -9, events stored after {self.bench.goes_on():.1f} s"

    def _kill_index(self) -> str:
        self.index.kill()
        self.index.start()
        return f"index_service kill -9, lookups answered after {self._answers():.1f} s"

    def _database(self, name: str, end: Callable[[], None]) -> str:
        end()
        with suppress(TimeoutError):  # recovery may take longer; what follows waits for it
            self.server.start(**POSTGRES_SETTINGS)
        stored_s, answered_s = self.bench.goes_on(), self._answers()
        return f"PostgreSQL {name}, events stored after {max(stored_s, answered_s):.1f} s"

    def _broker(self) -> str:
        self.broker.stop()
        self.broker.start()
        return f"broker stopped, events stored after {self.bench.goes_on():.1f} s"

    def _answers(self) -> float:
        began, known = time.monotonic(), self.lookups.answered
        wait_until(lambda: self.lookups.answered > known, RECOVERY_MAX_S, "answer to a lookup")
        return time.monotonic() - began


class Sampler(Worker):
    """Writes what everything takes, every ten seconds."""

    def __init__(self, soak: Soak, path: Path) -> None:
        super().__init__()
        self._soak = soak
        self._began = time.monotonic()
        self._what: list[str] = []
        self._file = path.open("w", newline="")
        self._rows = csv.DictWriter(self._file, soak_table.COLUMNS)
        self._rows.writeheader()

    def tell(self, what: str) -> None:
        """What happened since the last sample."""
        self._what.append(what)

    def _work(self) -> None:
        print(soak_table.head(), flush=True)
        number = 0
        while not self.stopping.wait(SAMPLE_S if number else 0):
            row = self.sample()
            if number % SAMPLES_A_LINE == 0 or row["what"]:
                print(soak_table.line(row), flush=True)
            number += 1

    def sample(self) -> dict[str, object]:
        """Write a row; a process or database that is away leaves its columns empty."""
        soak, what = self._soak, self._what
        self._what = []
        row: dict[str, object] = {
            "minute": round((time.monotonic() - self._began) / 60, 2),
            "acknowledged": soak.bench.ledger.acknowledged_offers,
            "lookups": soak.lookups.answered,
            "lookups_failed": soak.lookups.failed,
            **_usage("ingest", soak.ingest),
            **_usage("index", soak.index),
            **_usage("broker", soak.broker),
            **_usage("postgres", soak.server),
            "what": "; ".join(what),
        }
        with suppress(psycopg2.Error):
            ((pages, others, stored, connections),) = query(soak.bench.database, _TABLES)
            row |= {
                "stored": stored,
                "connections": connections,
                "event_page_mb": round(pages / 1e6, 1),
                "other_tables_mb": round(others / 1e6, 1),
            }
        self._rows.writerow(row)
        self._file.flush()
        return row


def _usage(name: str, process: Service | Mosquitto | PostgresServer) -> dict[str, object]:
    """Memory and file descriptors of a process and its children."""
    if process.pid is None:
        return {}
    try:
        first = psutil.Process(process.pid)
        family = [first, *first.children(recursive=True)]
        # Each page that several share, as PostgreSQL's buffers are, is counted once.
        memory = sum(each.memory_full_info().pss for each in family)
        return {
            f"{name}_mb": round(memory / 1e6, 1),
            f"{name}_fds": sum(each.num_fds() for each in family),
        }
    except psutil.NoSuchProcess:
        return {}


def run(minutes: float, path: Path, seed: int) -> Verdict:
    """Let everything run for so long."""
    server = PostgresServer(durable=True)
    try:
        server.start(**POSTGRES_SETTINGS)
        bench = Bench(server, seed)
        try:
            return _run(Soak(bench, server), minutes, path)
        except Exception:
            bench.tell()
            raise
        finally:
            bench.close()
    finally:
        server.close()


def _run(soak: Soak, minutes: float, path: Path) -> Verdict:
    sampler = soak.bench.begin(Sampler(soak, path))
    for fault in _in_time(soak.faults(), minutes * 60):
        sampler.tell(fault)
        soak.bench.check_workers()
    verdict = soak.bench.verdict()
    if verdict.problems:
        print("\n".join(verdict.problems), file=sys.stderr)
    sampler.tell(verdict.text())
    sampler.sample()
    return verdict


def _in_time(faults: Iterable[str], seconds: float) -> Iterator[str]:
    """A fault now and then, with some quiet before the first and after the last."""
    apart_s = min(FAULTS_APART_S, seconds / (FAULTS_MIN + 1))
    end = time.monotonic() + seconds
    following = time.monotonic() + apart_s
    for_ever = iter(faults)
    while following < end - apart_s / 2:
        time.sleep(max(0.0, following - time.monotonic()))
        yield next(for_ever)
        following = max(following + apart_s, time.monotonic())
    time.sleep(max(0.0, end - time.monotonic()))


def main() -> int:
    """Run; 0 when nothing was lost, doubled or answered wrongly."""
    parser = argparse.ArgumentParser("python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"), metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--document", action="store_true", help="put the file's figures into docs/reliability.md"
    )
    arguments = parser.parse_args()
    if arguments.document:
        soak_table.write(arguments.csv)
        return 0
    verdict = run(arguments.minutes, arguments.csv, arguments.seed)
    print(verdict.text())
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
