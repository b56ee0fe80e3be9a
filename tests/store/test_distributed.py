"""What is done on a cluster (Citus), as far as one server shows it."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from click.testing import CliRunner

from event_store.database.connection import Connection, StoreOptions
from event_store.database.migrate import migrations
from event_store.database.sql_script import sql_statements
from event_store.lookup.reader import Reader
from event_store.model import RAW, RawFile
from event_store.select.across import presence_of
from event_store.select.scan import Scan
from event_store.select.selection import Selection
from event_store.write.writer import Store
from eventindex.cli import main
from tests.conftest import one_server, query
from tests.support.reader import check, columns
from tests.support.store import reply

FILES = [RawFile(uuid.UUID(int=i + 1), 1) for i in range(3)]
RUNS = np.repeat(np.arange(12), 50)
EVENTS = np.tile(np.arange(50) * 700, 12)


@one_server
def test_a_cluster_is_asked_run_by_run_and_answers_the_same(database_url, connection):
    """Lookups and scans by shard find what the usual statements find; a commit holds one run."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    store._connection.is_distributed = lambda: True
    index = np.arange(len(RUNS)) % 3
    olt = np.zeros(len(RUNS), np.uint64)
    store.write(columns(RUNS, EVENTS, olt, index, FILES))
    ((commits,),) = query(database_url, "SELECT count(DISTINCT xmin::text) FROM event_page")
    assert commits == 12
    model = {
        pair: (FILES[i], 0)
        for pair, i in zip(zip(RUNS.tolist(), EVENTS.tolist(), strict=True), index, strict=True)
    }
    usual = _scanned(connection)
    connection.is_distributed()
    connection.distributed = True
    for _ in range(2):
        check(reader, connection, model, RUNS, EVENTS, with_olt=True)
    # Pages that are held and changed meanwhile.
    store.write(columns([3], [1], olt[:1], index[:1], FILES))
    check(reader, connection, model, RUNS, EVENTS, with_olt=True)
    store.close()
    assert _scanned(connection, run_first=0, run_last=2) + _scanned(
        connection, run_ranges=((3, 5), (7, 20))
    ) == [page for page in usual if page[0] != 6]
    assert _scanned(connection) == usual
    with connection.cursor() as cursor:
        by_key, by_shard = (presence_of(cursor, usual, RAW, by_shard=s) for s in (False, True))
    assert by_key.keys() == by_shard.keys() == set(usual)
    assert all((by_key[key] == by_shard[key]).all() for key in usual)


def test_nodes_wait_for_a_run_as_long_as_the_setting_says(database_url):
    """Each transaction that writes hands its lock_timeout on to the nodes it reaches."""
    writer = Connection(
        database_url, StoreOptions(lock_timeout_ms=321), autocommit=False, name="test"
    )
    writer.is_distributed()
    writer.distributed = True
    asked = (
        "SELECT current_setting('citus.propagate_set_commands'), current_setting('lock_timeout')"
    )
    with writer.cursor() as cursor:
        cursor.execute(asked)
        assert cursor.fetchone() == ("local", "321ms")
    assert writer.commit_token()
    writer.close()


def _scanned(connection, **selected) -> list[tuple[int, int]]:
    scan = Scan(Selection(**selected), pages_per_statement=3)
    found: list[tuple[int, int]] = []
    while pages := scan.read(connection):
        found += [(page.run_number, page.page_no) for page in pages]
    return found


@one_server
def test_distribute_refuses_a_server_without_citus(database_url):
    """The command says what is missing; there is nothing to undo."""
    refused = CliRunner().invoke(main, ["distribute", "--database", database_url])
    assert refused.exit_code == 1
    assert "no extension citus" in refused.output
    undone = CliRunner().invoke(main, ["distribute", "--undo", "--database", database_url])
    assert (undone.exit_code, undone.output) == (0, "all tables are on this server\n")


def test_a_migration_is_cut_into_statements():
    """Semicolons in texts, names, comments and functions end no statement."""
    script = """
    -- A comment; alone.
    CREATE TABLE a (b text DEFAULT ';''');  -- Behind; it.
    /* ; */ CREATE FUNCTION f() AS $x$ BEGIN; $$;$$ END; $x$;
    COMMENT ON TABLE "a;" IS ';'
    """
    assert list(sql_statements(script)) == [
        "CREATE TABLE a (b text DEFAULT ';''')",
        "CREATE FUNCTION f() AS $x$ BEGIN; $$;$$ END; $x$",
        "COMMENT ON TABLE \"a;\" IS ';'",
    ]
    for _, sql in migrations().values():
        assert all(statement.split()[0].isupper() for statement in sql_statements(sql))


@pytest.mark.parametrize("shards", ["0", "5000", "x"])
def test_the_number_of_shards_is_bounded(shards):
    """A number that cannot be is bad usage."""
    assert CliRunner().invoke(main, ["distribute", "--shards", shards]).exit_code == 2
