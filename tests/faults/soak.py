"""`python -m tests.faults.soak`: everything at work for long, harmed and watched.

What the processes and tables take goes into a CSV file every ten seconds and onto the screen every
minute; the last line is what the checker says of the ledger. Each fault lasts until its alert
fires; when it did and when it ended goes into another file, and every dashboard is drawn.
`--document` makes the tables of docs/reliability.md from both files.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg2

from tests.conftest import query
from tests.faults import soak_table
from tests.faults.bench import Bench
from tests.faults.ledger import Verdict
from tests.faults.senders import Worker
from tests.faults.soak_faults import POSTGRES_SETTINGS, Fault, Soak
from tests.faults.soak_watch import Happened, Watch, complete, missing, write
from tests.support.monitoring import missing_programs
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

# Of quiet after each fault, so that one is told from the next.
QUIET_S = 60.0
# For which a fault goes on once its alert fires.
SEEN_S = 15.0
SAMPLE_S = 10
SAMPLES_A_LINE = 6

_TABLES = (
    "SELECT pg_total_relation_size('event_page'), "
    "(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' "
    " AND relnamespace = 'public'::regnamespace AND relname <> 'event_page'), "
    "(SELECT coalesce(sum(n_events), 0)::bigint FROM run), "
    "(SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'eventindex%%')"
)


class Files(NamedTuple):
    """What a soak leaves."""

    samples: Path
    alerts: Path
    pictures: Path


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
            "requests": soak.requests.answered,
            "requests_failed": soak.requests.failed,
            **_usage("ingest", soak.ingest),
            **_usage("index", soak.index),
            **_usage("gateway", soak.gateway),
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


def run(minutes: float, files: Files, seed: int) -> Verdict:
    """Let everything run for so long."""
    server = PostgresServer(durable=True)
    try:
        server.start(**POSTGRES_SETTINGS)
        bench = Bench(server, seed)
        try:
            with ExitStack() as end:
                soak = Soak(bench, server)
                watch = Watch(end, (soak.ingest, soak.index, soak.gateway))
                return _run(soak, watch, minutes, files)
        except Exception:
            bench.tell()
            raise
        finally:
            bench.close()
    finally:
        server.close()


def _run(soak: Soak, watch: Watch, minutes: float, files: Files) -> Verdict:
    sampler = soak.bench.begin(Sampler(soak, files.samples))
    end = time.monotonic() + minutes * 60
    happened = []
    for fault in _that_fit(soak.faults(), end):
        happened.append(_do(fault, watch, sampler))
        soak.bench.check_workers()
    time.sleep(max(0.0, end - time.monotonic()))
    complete(happened, watch.alerts())
    write(files.alerts, happened)
    watch.draw(files.pictures, files.alerts)
    fire, over = watch.told()
    sampler.tell(f"{soak_table.CHAT} got {fire} messages of alerts that fire, {over} of ended ones")
    verdict = soak.bench.verdict()
    verdict.problems += missing(happened)
    if verdict.problems:
        print("\n".join(verdict.problems), file=sys.stderr)
    sampler.tell(verdict.text())
    sampler.sample()
    return verdict


def _that_fit(faults: tuple[Fault, ...], end: float) -> Iterator[Fault]:
    """One after the other, again and again, as long as their alerts can end in time."""
    skipped = 0
    for fault in cycle(faults):
        if skipped == len(faults):
            return
        if time.monotonic() + QUIET_S + fault.takes_s > end:
            skipped += 1
            continue
        skipped = 0
        time.sleep(QUIET_S)
        yield fault


def _do(fault: Fault, watch: Watch, sampler: Sampler) -> Happened:
    """Do harm until an operator is told, end it, and wait until things go on."""
    now = time.time()
    minute, job = (now - watch.began) / 60, fault.labels.get("job", "")
    happened = Happened(minute, fault.name, fault.alert, job, now)
    sampler.tell(f"{fault.name} begins")
    before = watch.fires(fault.alert, fault.labels)
    fault.begin()
    with suppress(TimeoutError):  # `missing` tells in the end
        if not before:
            wait_until(lambda: watch.fires(fault.alert, fault.labels), fault.tells_s, fault.alert)
            time.sleep(SEEN_S)
    fault.end()
    happened.ended = time.time()
    took = fault.goes_on()
    sampler.tell(f"{fault.name}, {fault.what} after {took:.1f} s")
    return happened


def main() -> int:
    """Run; 0 when nothing was lost, doubled or answered wrongly."""
    parser = argparse.ArgumentParser("python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"), metavar="FILE")
    parser.add_argument("--alerts", type=Path, default=Path("soak-alerts.csv"), metavar="FILE")
    parser.add_argument(
        "--pictures", type=Path, default=Path("soak-pictures"), metavar="DIR", help="dashboards"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--document", action="store_true", help="put the files' figures into docs/reliability.md"
    )
    arguments = parser.parse_args()
    if arguments.document:
        soak_table.write(arguments.csv, arguments.alerts)
        return 0
    if missing_programs():
        print(f"missing: {', '.join(missing_programs())} (packages of Debian)", file=sys.stderr)
        return 2
    files = Files(arguments.csv, arguments.alerts, arguments.pictures)
    verdict = run(arguments.minutes, files, arguments.seed)
    print(verdict.text())
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
