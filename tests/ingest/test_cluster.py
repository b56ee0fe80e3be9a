"""What only a cluster (Citus) shows; `make test-citus` with the URL of one."""

from __future__ import annotations

import contextlib
import uuid

import numpy as np
import psycopg2
import pytest
from click.testing import CliRunner

from event_store.admin.totals import totals
from event_store.database.connection import Connection, StoreOptions
from event_store.database.migrate import migrate
from event_store.model import Outcome, RawFile
from eventindex.cli import main
from tests.conftest import GIVEN, query
from tests.faults.ledger import Ledger, check
from tests.faults.readers import Lookups
from tests.faults.senders import GrpcSender, keys
from tests.support.given_server import SHARDS
from tests.support.processes import wait_until
from tests.support.store import columns

pytestmark = pytest.mark.skipif(
    GIVEN is None or not GIVEN.nodes, reason="make test-citus CITUS_URL=…"
)

_MOVE = (
    "SELECT citus_move_shard_placement(shardid, sp.nodename, sp.nodeport, n.nodename, n.nodeport, "
    "shard_transfer_mode := %s) FROM pg_dist_shard_placement sp JOIN pg_dist_shard s "
    "USING (shardid) JOIN pg_dist_node n ON n.shouldhaveshards AND n.nodeport <> sp.nodeport "
    "WHERE s.logicalrelid = 'run'::regclass AND shardid = %s LIMIT 1"
)
# Each commit in two phases leaves a row on the coordinator.
_PREPARED = "SELECT count(*) FROM pg_dist_transaction"
_SHARDS_OF_RUNS = (
    "SELECT DISTINCT get_shard_id_for_distribution_column('run', run_number) "
    "FROM generate_series(0, 4) AS run_number ORDER BY 1"
)


def test_a_shard_moves_while_it_is_written(database_url, ingest_address, index_address):
    """Everything that was acknowledged is there once, and was found all the time."""
    ledger, source = Ledger(), keys()
    senders = [GrpcSender(ingest_address, ledger, source, rate=1_000) for _ in range(2)]
    lookups = Lookups(index_address, ledger, retry_s=60)
    for worker in (*senders, lookups):
        worker.start()
    moved = 0
    for (shard,) in query(database_url, _SHARDS_OF_RUNS):
        before = len(ledger.committed)
        wait_until(lambda before=before: len(ledger.committed) > before, 60, "acknowledgements")
        with contextlib.closing(psycopg2.connect(database_url)) as raw:
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(_MOVE, ("block_writes" if moved % 2 else "force_logical", shard))
                moved += cursor.rowcount
    for worker in (*senders, lookups):
        worker.stop()
    verdict = check(ledger, database_url)
    assert moved
    assert (verdict.problems, lookups.wrong, verdict.conflict) == ([], [], 0)


def test_a_commit_of_many_runs_needs_no_second_phase(database_url, store):
    """No transaction is prepared: between its phases an acknowledged event would not be found."""
    known = query(database_url, _PREPARED)
    runs = np.repeat(np.arange(20), 50)
    files = [RawFile(uuid.UUID(int=1), 1)]
    stored = store.write(columns(runs, np.tile(np.arange(50), 20), np.zeros(1000, np.int32), files))
    assert (stored == Outcome.INSERTED).all()
    assert query(database_url, _PREPARED) <= known


def test_status_says_how_the_tables_lie(database_url, services):
    """The shards and the nodes are told, and that the shards take something."""
    told = " ".join(CliRunner().invoke(main, ["status"]).output.split())
    assert f"distributed by run, {SHARDS} shards on {len(GIVEN.nodes)} nodes" in told
    table = "pg_total_relation_size('event_page')"
    on_coordinator, of_shards = query(database_url, f"SELECT {table}, citus_{table[3:]}")[0]
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    assert totals(connection).tables["event_page"].size_bytes == of_shards > on_coordinator
    connection.close()


def test_distribute_twice_and_back(database_url):
    """What is done stays; `--undo` brings all back, and migrations go on either way."""
    assert migrate(database_url) == []
    once = CliRunner().invoke(main, ["distribute", "--database", database_url])
    assert (once.exit_code, once.output.count("is distributed by")) == (0, 0), once.output
    back = CliRunner().invoke(main, ["distribute", "--undo", "--database", database_url])
    assert (back.exit_code, back.output.count("is on the coordinator")) == (0, 5), back.output
    assert migrate(database_url) == []
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    assert not connection.is_distributed()
    connection.close()
