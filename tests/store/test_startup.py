"""What a service says when its database cannot be used, and that it then takes nothing in."""

from __future__ import annotations

import socket
import uuid

import pytest

from event_store.database.migrate import OLDEST_SCHEMA, migrations
from event_store.database.server_facts import NodeFacts, ServerFacts, refusal, warnings
from tests.conftest import execute
from tests.support.processes import PostgresServer, Service, wait_until
from tests.support.refused import refused

KNOWN = frozenset({1, 2, 3})
APPLIED = {1: 1, 2: 2, 3: 3}
SERVICES = ("index_service", "ingest_service")


def facts(**other: object) -> ServerFacts:
    """A server that can be used, but for what is given."""
    usable = {
        "version": 18,
        "role": "writer",
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "migrations": APPLIED,
        "rights_lacking": (),
    }
    return ServerFacts(**(usable | other))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"version": 13}, ["PostgreSQL 13", "14 or newer"]),
        ({"migrations": None}, ["no schema", "eventindex migrate"]),
        ({"migrations": APPLIED | {4: 4}}, ["newer", "migration 4", "knows up to 3"]),
        ({"migrations": {1: 1, 2: 2}}, ["older", "migration 3", "eventindex migrate"]),
        ({"rights_lacking": (("UPDATE", "run"),)}, ["'writer'", "UPDATE on run"]),
        ({"connections_max": 97}, ["leaves 97", "may open 98", "max_connections"]),
        ({"synchronous_commit": "off"}, ["synchronous_commit is off", "ALTER ROLE writer"]),
    ],
)
def test_refusals_say_what_is_wrong_and_what_to_do(other, words):
    """Each refusal names the fact and the remedy."""
    text = refusal(facts(**other), KNOWN, writes=True, connections=98)
    assert text is not None
    assert [word for word in words if word not in text] == []


def test_usable_servers():
    """A replica's setting is the reader's own business; local commits are on the server's disk."""
    assert refusal(facts(), KNOWN, writes=True) is None
    assert refusal(facts(synchronous_commit="local"), KNOWN, writes=True) is None
    assert refusal(facts(synchronous_commit="off"), KNOWN, writes=False) is None
    assert refusal(facts(migrations=APPLIED | {4: 3, 5: 2}), KNOWN, writes=True) is None
    assert warnings(facts(), KNOWN) == []
    later = warnings(facts(migrations=APPLIED | {4: 3}), KNOWN)
    assert later == ["the schema is of a later release (migration 4), which allows for it"]
    assert [
        text.split()[0] for text in warnings(facts(fsync="off", full_page_writes="off"), KNOWN)
    ] == [
        "fsync",
        "full_page_writes",
    ]


def test_each_node_of_a_cluster_is_judged_by_its_own_settings():
    """A node without durable commits is refused by name; one that is away stops nobody."""
    good = {"synchronous_commit": "on", "fsync": "on", "lock_timeout": "10s"}
    nodes = (
        NodeFacts("a:1", good),
        NodeFacts("b:2", good | {"synchronous_commit": "off", "fsync": "off"}),
        NodeFacts("c:3", good | {"lock_timeout": "0"}),
        NodeFacts("d:4", None),
    )
    text = refusal(facts(nodes=nodes), KNOWN, writes=True)
    assert text is not None
    assert text.startswith("synchronous_commit is off on b:2 of the cluster")
    assert refusal(facts(nodes=(nodes[0], nodes[3])), KNOWN, writes=True) is None
    said = warnings(facts(nodes=nodes), KNOWN)
    assert [text.partition(":")[0] for text in said] == [
        "node d",
        "synchronous_commit is off on b",
        "fsync is off on b",
        "lock_timeout is 0 on c",
    ]
    assert warnings(facts(nodes=nodes[:1]), KNOWN) == []


@pytest.mark.parametrize("module", SERVICES)
def test_another_schema_is_refused(module, database_url):
    """A schema newer or older than the software is named, with what to do."""
    newest = max(migrations())
    execute(database_url, f"INSERT INTO schema_migration VALUES ({newest + 1}, 'of_tomorrow.sql')")
    assert "the schema is newer" in refused(module, database_url)
    execute(database_url, f"DELETE FROM schema_migration WHERE number >= {OLDEST_SCHEMA}")
    assert "run `eventindex migrate`" in refused(module, database_url)


@pytest.mark.parametrize(
    ("module", "right"), [("index_service", "SELECT"), ("ingest_service", "UPDATE")]
)
def test_a_role_without_a_right_is_refused(module, right, database_url):
    """The right and its table are named."""
    role = f"weak_{uuid.uuid4().hex[:8]}"
    execute(database_url, f"CREATE ROLE {role} LOGIN")
    execute(
        database_url,
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
    )
    execute(database_url, f"REVOKE {right} ON event_page FROM {role}")
    text = refused(module, database_url.replace("owner@", f"{role}@"))
    assert text.endswith(f"lacks rights: {right} on event_page")


def test_commits_that_a_crash_loses_are_refused(database_url):
    """Where synchronous_commit is off for the role or the database, nothing is acknowledged."""
    name = database_url.rpartition("/")[2]
    execute(database_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert "synchronous_commit is off" in refused("ingest_service", database_url)


def test_a_database_that_turns_up_unusable_takes_nothing_in(request):
    """Away at the start, then there without a schema: the service waits until it is migrated."""
    server = PostgresServer()
    request.addfinalizer(server.close)
    service = Service("ingest_service", database_url=server.url())
    request.addfinalizer(service.close)
    service.start(wait="/healthz")
    server.start()
    wait_until(lambda: "no schema" in service.page("/readyz")[1], what="the reason")
    service.terminate()


@pytest.mark.parametrize(
    ("module", "workers"), [(SERVICES[0], 1), (SERVICES[0], 2), (SERVICES[1], 1)]
)
def test_a_metrics_port_that_is_taken_is_one_line(module, workers, database_url, request):
    """The service ends with 1 and names the address; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        kind = module.removesuffix("_service")
        service = Service(
            module,
            database_url=database_url,
            index_workers=workers,
            **{f"{kind}_metrics_address": address},
        )
        request.addfinalizer(service.close)
        assert service.start(wait="").process.wait(30) == 1
    assert f"cannot listen on {address}: Address already in use" in service.tail()
    assert "Traceback" not in service.tail()
