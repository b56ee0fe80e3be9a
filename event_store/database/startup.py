"""Whether a database can be served from at all: asked once, before the first event is taken in.

What is wrong here does not pass by itself: a server too old, another schema, a right that the role
lacks, rows that a policy hides, a pooler that keeps no sessions, commits that are not on disk when
they are acknowledged. Never repairs anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from psycopg2.extensions import cursor as Cursor

from event_store.database import pooler
from event_store.database.connection import Connection, fetch_one
from event_store.database.migrate import applied_migrations, migrations
from event_store.database.rights import (
    COLUMN_RIGHTS,
    MIGRATIONS,
    READ,
    TOKEN_FUNCTIONS,
    WRITER_RIGHTS,
    Rights,
)
from event_store.database.server_facts import (
    NODE_SETTINGS,
    NodeFacts,
    ServerFacts,
    refusal,
    warnings,
)
from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError

log = logging.getLogger(__name__)

# What the connection set for itself (see `connection`) is not what the server has.
_SETTINGS = (
    "SELECT current_setting('server_version_num')::integer / 10000, current_user, "
    "(SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), "
    "current_setting('fsync'), current_setting('full_page_writes'), "
    # A standby may be promoted; this setting stays.
    "current_setting('default_transaction_read_only') = 'on' AND NOT pg_is_in_recovery(), "
    # The schema of another search_path that has the tables.
    "(SELECT min(relnamespace::regnamespace::text) FROM pg_class "
    "WHERE relname = 'event_page' AND relkind IN ('r', 'p')), "
    "current_setting('data_checksums'), current_setting('max_connections')::integer "
    "- current_setting('superuser_reserved_connections')::integer"
)

_POWERS = (
    "SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user"
)
# NULL where there is no such table or function. Of the tokens a role may have single columns.
_OF_COLUMNS = ", ".join(f"'{table}'" for table in COLUMN_RIGHTS)
_RIGHTS = (
    "SELECT asked.privilege, asked.name, "
    "CASE WHEN asked.privilege = 'EXECUTE' "
    "THEN has_function_privilege(to_regprocedure(asked.name), 'EXECUTE') "
    f"WHEN asked.name IN ({_OF_COLUMNS}) "
    "THEN has_any_column_privilege(to_regclass(asked.name), asked.privilege) "
    "ELSE has_table_privilege(to_regclass(asked.name), asked.privilege) END, "
    "CASE WHEN asked.privilege <> 'EXECUTE' "
    "THEN row_security_active(to_regclass(asked.name)) ELSE false END "
    "FROM unnest(%s::text[], %s::text[]) AS asked (privilege, name)"
)


def check_at_start(ask: Callable[[], list[str]]) -> None:
    """Let a service start unless the database says that it cannot be used.

    Args:
        ask: `check`, on a connection of the service.

    Raises:
        UnusableDatabaseError: it cannot be used. A database that is away is no reason: the service
            waits for it, and asks again before it uses it.
    """
    try:
        for warning in ask():
            log.warning("%s", warning)
    except UnusableDatabaseError:
        raise
    except StoreUnavailableError as error:
        log.warning("the database is away, waiting for it: %s", error)


def check(connection: Connection, rights: Rights, connections: int = 0) -> list[str]:
    """Ask whether this database can be used.

    Args:
        connection: with the role of the service.
        rights: what the service needs, by table.
        connections: as many as it may open, with all its processes.

    Returns:
        Warnings: what can be used and will be regretted.

    Raises:
        UnusableDatabaseError: it cannot be used, and why.
        StoreUnavailableError: it does not answer.
    """
    try:
        pooler.check(connection)
        with connection.cursor() as cursor:
            facts = _ask(cursor, rights, distributed=connection.distributed)
    except StoreError as error:
        raise UnusableDatabaseError(str(error)) from error
    known = frozenset(migrations())
    problem = refusal(facts, known, writes=rights is WRITER_RIGHTS, connections=connections)
    if problem is None and connection.least_privilege:
        problem = too_powerful(connection)
    if problem:
        raise UnusableDatabaseError(problem)
    return warnings(facts, known)


def too_powerful(connection: Connection) -> str | None:
    """Return why a role should not be that of a service, None where nothing is wrong with it.

    Raises:
        StoreUnavailableError, StoreError: the database does not say.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POWERS)
        role, superuser, bypasses = fetch_one(cursor)
    if not superuser and not bypasses:
        return None
    return (
        f"role {role!r} of the database is {'a superuser' if superuser else 'BYPASSRLS'}: use a "
        "login with the role of the service, which `eventindex migrate` makes "
        "(eventindex_ingest, eventindex_index, eventindex_gateway)"
    )


def _ask_nodes(cursor: Cursor) -> list[NodeFacts]:
    """Return what each node of a cluster has set: it inherits nothing from the coordinator."""
    cursor.execute(
        "SELECT nodename || ':' || nodeport, success, result FROM run_command_on_workers(%s) "
        "ORDER BY 1",
        (f"SELECT concat_ws(' ', {', '.join(f'current_setting({n!r})' for n in NODE_SETTINGS)})",),
    )
    return [
        NodeFacts(node, dict(zip(NODE_SETTINGS, result.split(), strict=True)) if success else None)
        for node, success, result in cursor.fetchall()
    ]


def _ask(cursor: Cursor, rights: Rights, *, distributed: bool) -> ServerFacts:
    cursor.execute(_SETTINGS)
    (
        version, role, synchronous_commit, fsync, full_page_writes, read_only, schema,
        data_checksums, connections_max,
    ) = fetch_one(cursor)  # fmt: skip
    asked = {MIGRATIONS: READ, **rights, **dict.fromkeys(TOKEN_FUNCTIONS, ("EXECUTE",))}
    cursor.execute(
        _RIGHTS,
        (
            [right for wanted in asked.values() for right in wanted],
            [table for table, wanted in asked.items() for _ in wanted],
        ),
    )
    rows = cursor.fetchall()
    held = {(right, table): has for right, table, has, _ in rows}
    applied: dict[int, int] | None = None
    if held["SELECT", MIGRATIONS] is not None:
        applied = {}
    if held["SELECT", MIGRATIONS]:
        applied = applied_migrations(cursor)
    return ServerFacts(
        version=version,
        role=role,
        synchronous_commit=synchronous_commit,
        fsync=fsync,
        full_page_writes=full_page_writes,
        migrations=applied,
        rights_lacking=tuple(
            key for key, has in held.items() if has is False and key[1] not in TOKEN_FUNCTIONS
        ),
        read_only=read_only and any("UPDATE" in wanted for wanted in rights.values()),
        schema=schema,
        hidden=tuple(sorted({table for _, table, _, hidden in rows if hidden})),
        data_checksums=data_checksums,
        connections_max=connections_max,
        nodes=tuple(_ask_nodes(cursor)) if distributed else (),
        checks_tokens=all(held["EXECUTE", name] is not False for name in TOKEN_FUNCTIONS),
    )
