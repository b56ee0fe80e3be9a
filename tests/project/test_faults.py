"""Faults done to real processes, few times each; `make test-faults` does all, and many times.

FAULTS_SEED in the environment repeats a run: what is random comes from it.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.faults.scenario import SCENARIOS, SkippedError, run
from tests.faults.table import lines
from tests.support.processes import PostgresServer


@pytest.fixture(scope="module")
def server():
    """PostgreSQL that scenarios may harm."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, s in SCENARIOS.items() if s.times_short])
def test_nothing_is_lost_or_doubled(server, name):
    """After a fault under load, everything that was acknowledged is there, once."""
    if not server.running:
        server.start()
    seed = int(os.environ.get("FAULTS_SEED", time.time()))
    print(f"FAULTS_SEED={seed}")
    try:
        row = run(SCENARIOS[name], server, SCENARIOS[name].times_short, seed)
    except SkippedError as error:
        pytest.skip(str(error))
    assert row.good, row.text()


def test_the_table_has_every_fault():
    """docs/reliability.md has a row for each scenario, and none for another."""
    assert list(lines()) == list(SCENARIOS)
