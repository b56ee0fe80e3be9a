"""Updates and rollbacks: services are stopped and started while everything is at work."""

from __future__ import annotations

import time

import pytest

from event_store.database import migrate as migrating
from tests.faults.bench import Bench
from tests.faults.scenario import scenario
from tests.support.processes import wait_until

# Longer than a service takes to come back.
PATIENCE_S = 60.0


def _migrate_later(url: str, steps: int) -> None:
    """Bring a database to the schema of a later release, which lets this one go on."""
    today = migrating.migrations()
    newest = max(today)
    later = {
        newest + n: (
            f"{newest + n:04}_later_{n}.sql",
            f"-- runs with: {newest:04}\nALTER TABLE run ADD COLUMN later_{n} integer",
        )
        for n in range(1, steps + 1)
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrating, "migrations", lambda: today | later)
        assert len(migrating.migrate(url)) == 1


@scenario(
    "an update under load, and back",
    "`migrate` to a later schema that lets this release go on, then SIGTERM and a start of each "
    "service in turn",
    times=3,
    short=1,
)
def rolling_update(bench: Bench, times: int) -> float:
    """No event is lost, and no lookup fails that a client tries again."""
    broker = bench.broker()
    ingest, index = bench.ingest(broker.port), bench.index()
    bench.mqtt(broker.port)
    bench.grpc(ingest)
    lookups = bench.lookups(index, retry_s=PATIENCE_S)
    wait_until(lambda: lookups.answered > 5, 60, "answers before the update")
    longest = 0.0
    for step in range(1, times + 1):
        _migrate_later(bench.database, step)
        for service in (ingest, index):
            bench.between(0.2, 1)
            began = time.monotonic()
            assert service.terminate(60) == 0, service.tail()
            service.start()
            longest = max(longest, time.monotonic() - began)
            assert "the schema is of a later release" in service.log.read_text()
        bench.goes_on()
        before = lookups.answered
        wait_until(lambda b=before: lookups.answered > b + 5, 60, "answers after the update")
    assert lookups.failed == 0, f"{lookups.failed} lookups failed"
    bench.note = f"{lookups.answered:,} lookups, none failed"
    return longest
