"""Whether a database can be served from at all: asked once, before the first event is taken in.

What is wrong here does not pass by itself: a server too old, another schema, a right that the role
lacks, rows that a policy hides, a pooler that keeps no sessions, commits that are not on disk when
they are acknowledged. Never repairs anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from event_store.database import pooler
from event_store.database.connection import Connection, fetch_one
from event_store.database.migrate import migrations, other_schema
from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError

log = logging.getLogger(__name__)

SERVER_VERSION_MIN = 14

_READ = ("SELECT",)
_CHANGE = ("SELECT", "INSERT", "UPDATE")

READER_RIGHTS: Mapping[str, Collection[str]] = {
    "run": _READ,
    "event_page": _READ,
    "dataset": _READ,
    "dataset_version": _READ,
    "collection": _READ,
    "raw_file": _READ,
    "event_conflict": _READ,
    "cosmic_event": _READ,
    "olt_criterion": _READ,
    "access_token": _READ,
    "file_info": _READ,
    "file_info_version": _READ,
}
WRITER_RIGHTS: Mapping[str, Collection[str]] = {
    "run": (*_CHANGE, "DELETE"),
    "event_page": (*_CHANGE, "DELETE"),
    "collection": (*_CHANGE, "DELETE"),
    "dataset": (*_CHANGE, "DELETE"),
    "dataset_version": ("SELECT", "UPDATE"),
    "raw_file": (*_CHANGE, "DELETE"),
    "event_conflict": (*_CHANGE, "DELETE"),
    "dead_letter": ("SELECT", "INSERT", "DELETE"),
    "dead_letter_size": _READ,
    "cosmic_event": (*_CHANGE, "DELETE"),
    "olt_criterion": _CHANGE,
    "access_token": _CHANGE,
    "broker_session": (*_CHANGE, "DELETE"),
    "detector_heard": _CHANGE,
    "file_info": _CHANGE,
    "file_info_version": ("SELECT", "UPDATE"),
    "file_info_replaced": ("SELECT", "INSERT"),
}

# What the connection set for itself (see `connection`) is not what the server has.
_SETTINGS = (
    "SELECT current_setting('server_version_num')::integer / 10000, current_user, "
    "(SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), "
    "current_setting('fsync'), current_setting('full_page_writes'), "
    # A standby may be promoted; this setting stays.
    "current_setting('default_transaction_read_only') = 'on' AND NOT pg_is_in_recovery(), "
    # The schema of another search_path that has the tables.
    "(SELECT min(relnamespace::regnamespace::text) FROM pg_class "
    "WHERE relname = 'event_page' AND relkind IN ('r', 'p'))"
)

_MIGRATIONS = "schema_migration"
# NULL where there is no such table.
_RIGHTS = (
    "SELECT asked.privilege, asked.name, "
    "has_table_privilege(to_regclass(asked.name), asked.privilege), "
    "row_security_active(to_regclass(asked.name)) "
    "FROM unnest(%s::text[], %s::text[]) AS asked (privilege, name)"
)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself and of the role that asks.

    Attributes:
        version: the major version.
        role: who asks.
        synchronous_commit, fsync, full_page_writes: settings, as the server spells them.
        read_only: the role has to write and its transactions may not; no standby's nature.
        migrations: numbers of the migrations that were applied; None without a schema.
        schema: which has the tables, whether they are found or not; None where none has.
        rights_lacking: (right, table) pairs.
        hidden: tables of which a policy hides rows from the role.
    """

    version: int
    role: str
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    migrations: frozenset[int] | None
    rights_lacking: tuple[tuple[str, str], ...]
    read_only: bool = False
    schema: str | None = None
    hidden: tuple[str, ...] = ()


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


def check(connection: Connection, rights: Mapping[str, Collection[str]]) -> list[str]:
    """Ask whether this database can be used.

    Args:
        connection: with the role of the service.
        rights: what the service needs, by table.

    Returns:
        Warnings: what can be used and will be regretted.

    Raises:
        UnusableDatabaseError: it cannot be used, and why.
        StoreUnavailableError: it does not answer.
    """
    try:
        pooler.check(connection)
        with connection.cursor() as cursor:
            facts = _ask(cursor, rights)
    except StoreError as error:
        raise UnusableDatabaseError(str(error)) from error
    problem = refusal(facts, frozenset(migrations()), writes=rights is WRITER_RIGHTS)
    if problem:
        raise UnusableDatabaseError(problem)
    return warnings(facts)


def refusal(facts: ServerFacts, known: frozenset[int], *, writes: bool) -> str | None:
    """Return why a database is refused, None where it is not. Pure.

    Args:
        facts: of the server.
        known: the migrations of this version of the software.
        writes: whether the service acknowledges commits.
    """
    if facts.version < SERVER_VERSION_MIN:
        return f"the server is PostgreSQL {facts.version}: {SERVER_VERSION_MIN} or newer is needed"
    if problem := _role_refusal(facts) or _schema_refusal(facts, known):
        return problem
    if writes and facts.synchronous_commit == "off":
        return (
            "synchronous_commit is off: a crash of the server would lose events that were "
            f"acknowledged; set it on in postgresql.conf, or ALTER ROLE {facts.role} SET "
            "synchronous_commit = on"
        )
    return None


def _role_refusal(facts: ServerFacts) -> str | None:
    if facts.rights_lacking:
        lacking = ", ".join(f"{right} on {table}" for right, table in facts.rights_lacking)
        return f"role {facts.role!r} lacks rights: {lacking}"
    if facts.hidden:
        return (
            f"row-level security hides rows of {', '.join(facts.hidden)} from role "
            f"{facts.role!r}: events that are there would not be found"
        )
    if facts.read_only:
        return f"default_transaction_read_only is on for role {facts.role!r} or the database"
    return None


def _schema_refusal(facts: ServerFacts, known: frozenset[int]) -> str | None:
    applied = facts.migrations
    if applied is None and facts.schema is not None:
        return other_schema(facts.schema)
    if applied is None:
        return "the database has no schema: run `eventindex migrate`"
    if newer := applied - known:
        return (
            f"the schema is newer than this version of EventIndex (migration {max(newer)}, "
            f"known up to {max(known)}): update the service"
        )
    if older := known - applied:
        return (
            f"the schema is older than this version of EventIndex (migration {min(older)} is "
            "missing): run `eventindex migrate`"
        )
    return None


def warnings(facts: ServerFacts) -> list[str]:
    """Return what a crash of the server's machine may cost in spite of its settings. Pure."""
    return [
        f"{name} is off: a crash of the database server's machine may destroy the index"
        for name, value in (("fsync", facts.fsync), ("full_page_writes", facts.full_page_writes))
        if value == "off"
    ]


def _ask(cursor: Cursor, rights: Mapping[str, Collection[str]]) -> ServerFacts:
    cursor.execute(_SETTINGS)
    version, role, synchronous_commit, fsync, full_page_writes, read_only, schema = fetch_one(
        cursor
    )
    asked = {_MIGRATIONS: _READ, **rights}
    cursor.execute(
        _RIGHTS,
        (
            [right for wanted in asked.values() for right in wanted],
            [table for table, wanted in asked.items() for _ in wanted],
        ),
    )
    rows = cursor.fetchall()
    held = {(right, table): has for right, table, has, _ in rows}
    applied: frozenset[int] | None = None
    if held["SELECT", _MIGRATIONS] is not None:
        applied = frozenset()
    if held["SELECT", _MIGRATIONS]:
        cursor.execute(f"SELECT number FROM {_MIGRATIONS}")
        applied = frozenset(number for (number,) in cursor.fetchall())
    return ServerFacts(
        version=version,
        role=role,
        synchronous_commit=synchronous_commit,
        fsync=fsync,
        full_page_writes=full_page_writes,
        migrations=applied,
        rights_lacking=tuple(key for key, has in held.items() if has is False),
        read_only=read_only and any("UPDATE" in wanted for wanted in rights.values()),
        schema=schema,
        hidden=tuple(sorted({table for _, table, _, hidden in rows if hidden})),
    )
