"""A server or cluster that somebody else runs, in the place of the embedded one.

`EVENTINDEX_TEST_DATABASE_URL` names a database of it, its role makes databases and roles. Where
that database has the extension citus and nodes, each test's own is distributed over them.
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import partial

import psycopg2
import pytest
from psycopg2.errors import InvalidCatalogName, ObjectInUse
from psycopg2.extensions import make_dsn, parse_dsn
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from event_store.admin.distribute import distribute
from tests.support.servers import wait_until

GIVEN_URL = os.environ.get("EVENTINDEX_TEST_DATABASE_URL", "")
SHARDS = 4
_DATABASES = re.compile(r"(CREATE|DROP) DATABASE (?:IF EXISTS )?(\w+)", re.IGNORECASE)
_NODES = (
    "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive "
    "ORDER BY nodename, nodeport"
)


class GivenServer:
    """What the fixtures use of `PostgresServer`; it cannot be stopped, and its log is not here."""

    def __init__(self, url: str) -> None:
        self._parameters = parse_dsn(url)
        self.port = int(self._parameters.get("port") or 5432)
        self._database = self._parameters["dbname"]
        self.nodes = self._find_nodes()

    def url(self, database: str = "") -> str:
        """The URL of a database, at the coordinator."""
        at = self._parameters
        password = f":{at['password']}" if "password" in at else ""
        return (
            f"postgresql://{at['user']}{password}@{at['host']}:{self.port}"
            f"/{database or self._database}"
        )

    def log_text(self) -> str:
        """Nothing: the tests that read it are left out."""
        pytest.skip("the log of a given server is not here")

    def end_sessions(self, database: str) -> None:
        """End all that services do in a database, at all nodes: as near as it comes to a crash."""
        for node in self.everywhere():
            _run(
                node,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND backend_type = 'client backend'",
                database,
            )

    def make_template(self, database: str) -> None:
        """Distribute a migrated database, where there are nodes, and let others be copied."""
        if self.nodes:
            self._distribute(database)
        for node in self.everywhere():
            _run(node, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            # Citus has a process of its own there.
            wait_until(partial(_is_empty, node, database), what=f"empty {database}")

    def _distribute(self, database: str) -> None:
        for node in self.everywhere(database):
            _run(node, "CREATE EXTENSION IF NOT EXISTS citus")
        url = self.url(database)
        _run(url, "SELECT citus_set_coordinator_host(%s, %s)", self._parameters["host"], self.port)
        for host, port in self.nodes:
            _run(url, "SELECT citus_add_node(%s, %s)", host, port)
        distribute(url, SHARDS, lambda _: None)

    def everywhere(self, database: str = "") -> list[str]:
        """The URLs of a database at the coordinator and at each node."""
        here = self.url(database)
        return [here] + [make_dsn(here, host=host, port=port) for host, port in self.nodes]

    def _find_nodes(self) -> list[tuple[str, int]]:
        with contextlib.closing(psycopg2.connect(self.url())) as raw, raw.cursor() as cursor:
            cursor.execute("SELECT to_regclass('pg_dist_node') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return []
            cursor.execute(_NODES)
            return cursor.fetchall()

    def execute(self, url: str, sql: str) -> bool:
        """Make or drop a database at all nodes; False for other statements and servers."""
        at = parse_dsn(url)
        here = (at.get("host"), int(at.get("port") or 5432)) == (
            self._parameters["host"],
            self.port,
        )
        done = _DATABASES.match(sql)
        if not here or not done:
            return False
        for node in self.everywhere():
            if done[1].upper() == "DROP":
                _let_nobody_in(node, done[2])
            # Citus' own process may be there all the same.
            for attempt in Retrying(
                retry=retry_if_exception_type(ObjectInUse),
                stop=stop_after_delay(30),
                wait=wait_fixed(0.2),
                reraise=True,
            ):
                with attempt:
                    _run(node, sql)
        return True


def _run(url: str, sql: str, *values: object) -> None:
    with contextlib.closing(psycopg2.connect(url)) as raw:
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute(sql, values or None)


def _let_nobody_in(url: str, database: str) -> None:
    """Keep Citus' own process from coming back once it was ended."""
    with contextlib.suppress(InvalidCatalogName):
        _run(url, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")


def _is_empty(url: str, database: str) -> bool:
    with contextlib.closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = %s",
            (database,),
        )
        return cursor.fetchone()[0] == 0
