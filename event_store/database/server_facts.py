"""What a database server says of itself, and whether it can be served from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from event_store.database.migrate import OLDEST_SCHEMA, other_schema, too_new
from event_store.database.rights import TOKEN_FUNCTIONS

SERVER_VERSION_MIN = 14


# As PostgreSQL names them; a node has each of its own.
NODE_SETTINGS = ("synchronous_commit", "fsync", "lock_timeout")


class NodeFacts(NamedTuple):
    """What a node of a cluster has set for the role that asks; None where it does not answer."""

    name: str
    settings: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself and of the role that asks.

    Attributes:
        version: the major version.
        role: who asks.
        synchronous_commit, fsync, full_page_writes: settings, as the server spells them.
        read_only: the role has to write and its transactions may not; no standby's nature.
        migrations: those that were applied, for each the last one that services have to know; None
            without a schema.
        schema: which has the tables, whether they are found or not; None where none has.
        rights_lacking: (right, table) pairs.
        hidden: tables of which a policy hides rows from the role.
        data_checksums: a setting, as the server spells it.
        connections_max: how many connections it leaves to roles without special rights.
        checks_tokens: the role may call the functions that find tokens.
        nodes: of the cluster that the tables lie on; none on one server.
    """

    version: int
    role: str
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    migrations: Mapping[int, int] | None
    rights_lacking: tuple[tuple[str, str], ...]
    read_only: bool = False
    schema: str | None = None
    hidden: tuple[str, ...] = ()
    data_checksums: str = "on"
    connections_max: int = 2**31
    checks_tokens: bool = True
    nodes: tuple[NodeFacts, ...] = ()


def refusal(
    facts: ServerFacts, known: frozenset[int], *, writes: bool, connections: int = 0
) -> str | None:
    """Return why a database is refused, None where it is not. Pure.

    Args:
        facts: of the server.
        known: the migrations of this version of the software.
        writes: whether the service acknowledges commits.
        connections: as many as the service may open.
    """
    if facts.version < SERVER_VERSION_MIN:
        return f"the server is PostgreSQL {facts.version}: {SERVER_VERSION_MIN} or newer is needed"
    if problem := _role_refusal(facts) or _schema_refusal(facts, known):
        return problem
    if connections > facts.connections_max:
        return (
            f"max_connections leaves {facts.connections_max} connections, and this service may "
            f"open {connections}: raise it, or lower the connections or workers of the service"
        )
    if writes and (nodes := _nodes_with(facts, "synchronous_commit", "off")):
        return (
            f"synchronous_commit is off on {nodes} of the cluster: a crash would lose events that "
            "were acknowledged; `eventindex distribute` sets it for the roles of the services"
        )
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
    if problem := too_new(dict(applied), known):
        return f"{problem}: update the service"
    older = known - applied.keys()
    if older and min(older) <= OLDEST_SCHEMA:
        return (
            f"the schema is older than this version of EventIndex (migration {min(older)} is "
            "missing): run `eventindex migrate`"
        )
    return None


def _nodes_with(facts: ServerFacts, name: str, value: str) -> str:
    """Return the nodes that have a setting so."""
    return ", ".join(
        node.name for node in facts.nodes if node.settings and node.settings[name] == value
    )


def _warnings_of_nodes(facts: ServerFacts) -> list[str]:
    found = [
        f"node {node.name} of the cluster does not answer: what needs it is UNAVAILABLE"
        for node in facts.nodes
        if node.settings is None
    ]
    found += [
        f"{name} is off on {nodes}: a crash may lose events or destroy the index"
        for name in ("synchronous_commit", "fsync")
        if (nodes := _nodes_with(facts, name, "off"))
    ]
    if nodes := _nodes_with(facts, "lock_timeout", "0"):
        found.append(
            f"lock_timeout is 0 on {nodes}: a run that is held there stops its writers until "
            "EVENTINDEX_DATABASE_STALL_TIMEOUT_S; `eventindex distribute` sets it for the roles"
        )
    return found


def _of_another_release(applied: Mapping[int, int], known: frozenset[int]) -> list[str]:
    if newer := applied.keys() - known:
        return [f"the schema is of a later release (migration {max(newer)}), which allows for it"]
    if older := known - applied.keys():
        return [
            f"the schema is of the release before (migration {min(older)} is missing): run "
            "`eventindex migrate`"
        ]
    return []


def warnings(facts: ServerFacts, known: frozenset[int]) -> list[str]:
    """Return what can be used and will be regretted. Pure."""
    found = _of_another_release(facts.migrations or {}, known)
    found += [
        f"{name} is off: a crash of the database server's machine may destroy the index"
        for name, value in (("fsync", facts.fsync), ("full_page_writes", facts.full_page_writes))
        if value == "off"
    ]
    if facts.data_checksums == "off":
        found.append(
            "data_checksums is off: what a disk damages is answered as if it were stored so; turn "
            "them on with pg_checksums"
        )
    found += _warnings_of_nodes(facts)
    if not facts.checks_tokens:
        found.append(
            f"role {facts.role!r} may not check tokens: GRANT EXECUTE ON FUNCTION "
            f"{', '.join(TOKEN_FUNCTIONS)} to it"
        )
    return found
