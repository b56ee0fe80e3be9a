"""How every connection to PostgreSQL begins: what we rely on is set here, and nothing inherited.

A role, a database or a URL may carry settings that were made for other programs. Those that our
statements rely on are set on each connection, after it is there: a pooler refuses most start-up
options. The others stay as they are. Of the environment nothing counts: the URL says it all.
"""

from __future__ import annotations

import logging
import os
import re

import psycopg2
import psycopg2.extensions

from event_store.database import hosts
from event_store.errors import UnusableDatabaseError

log = logging.getLogger(__name__)

# Of libpq's variables, PGHOST to PGTARGETSESSIONATTRS.
_PREFIX = "PG"
ENCODING = "UTF8"
SCHEMA = "public"

# What our statements, and the driver's reading of the answers, rely on. Of the server's own limits
# those of `settle` alone are on.
_SETTINGS = {
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # A policy that hides rows is an error, not an event that is "not found".
    "row_security": "off",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "array_nulls": "on",
}
# The oldest server that knows a setting, as PostgreSQL numbers versions.
_SINCE = {"idle_session_timeout": 140000, "transaction_timeout": 170000}

# A server asks so often whether the client of a running query is still there, and cancels the query
# of one that gave up. Where it cannot ask it refuses the setting.
_CLIENT_CHECK = (
    "SELECT pg_catalog.set_config('client_connection_check_interval', '5s', false) "
    "WHERE pg_catalog.version() LIKE '%%linux%%'"
)

_SEARCH_PATH = re.compile(r"(?:^|\s)(?:-c\s*|--)search[_-]path=((?:\\.|[^\s\\])*)", re.IGNORECASE)
# What PgBouncer says, in English whatever the locale; the driver has no SQLSTATE of a connection
# that was refused.
_OPTIONS_REFUSED = "unsupported startup parameter"


def connect(url: str, *, name: str, timeout_s: int) -> psycopg2.extensions.connection:
    """Open a connection in autocommit, with no limit on how long it may wait for a lock.

    Args:
        url: of the database, or a connection string of libpq.
        name: for `pg_stat_activity`.
        timeout_s: longest wait for it.

    Raises:
        UnusableDatabaseError: somebody has to change the URL or the database first.
        psycopg2.Error: there is none now.
    """
    raw = start(url, name=name, timeout_s=timeout_s)
    try:
        settle(raw, url)
    except BaseException:
        raw.close()
        raise
    return raw


def start(url: str, *, name: str, timeout_s: int) -> psycopg2.extensions.connection:
    """Open a connection that is not to be used before `settle`; arguments and errors as above."""
    _forget_environment()
    raw = _open(url, name, timeout_s)
    raw.autocommit = True
    return raw


def settle(
    raw: psycopg2.extensions.connection,
    url: str,
    *,
    lock_timeout_ms: int = 0,
    idle_in_transaction_timeout_ms: int = 0,
    statement_timeout_ms: int = 0,
) -> None:
    """See that the encoding is ours, and set what we rely on; PostgreSQL's limits, 0 for none.

    Raises:
        UnusableDatabaseError, psycopg2.Error: as `connect`.
    """
    _check_encoding(raw)
    settings = {
        # The first, so that one of the role does not end the statements below.
        "statement_timeout": str(statement_timeout_ms),
        **_SETTINGS,
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(idle_in_transaction_timeout_ms),
    }
    with raw.cursor() as cursor:
        cursor.execute(_set_all(settings, raw.server_version), (search_path(url),))


def search_path(url: str) -> str:
    """Return the schemas of the tables: those that the URL's options name, or `public`. Pure."""
    options = psycopg2.extensions.parse_dsn(url).get("options", "")
    found = _SEARCH_PATH.findall(options)
    return re.sub(r"\\(.)", r"\1", found[-1]) if found else SCHEMA


def is_pooled(raw: psycopg2.extensions.connection, backend_pid: int) -> bool:
    """Return whether a pooler stands between: its clients get process ids that no backend has."""
    return raw.info.backend_pid != backend_pid


def environment_without_libpq() -> dict[str, str]:
    """Return the environment of this process without libpq's variables, for children."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}


def _open(url: str, name: str, timeout_s: int) -> psycopg2.extensions.connection:
    if (problem := hosts.unreadable(url)) is not None:
        # What the driver says repeats parts of the URL, which may be of the password.
        raise UnusableDatabaseError(f"its URL {problem}")
    try:
        return psycopg2.connect(
            url,
            connect_timeout=timeout_s,
            application_name=name,
            client_encoding=ENCODING,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg2.OperationalError as error:
        if _OPTIONS_REFUSED in str(error):
            raise UnusableDatabaseError(
                f"a pooler refuses the start-up options of the URL ({str(error).strip()}): set "
                "them for the role instead, or take the database's own address"
            ) from error
        raise


def _check_encoding(raw: psycopg2.extensions.connection) -> None:
    encoding = raw.get_parameter_status("server_encoding")
    if encoding != ENCODING:
        raise UnusableDatabaseError(
            f"the encoding of the database is {encoding}, {ENCODING} is needed: make one with "
            f"CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0"
        )


def _set_all(settings: dict[str, str], server_version: int) -> str:
    """Return one statement for all settings, so that they cost one round trip."""
    known = [name for name in settings if server_version >= _SINCE.get(name, 0)]
    texts = [f"SET {name} = '{settings[name]}'" for name in known]
    return "; ".join(
        [*texts, _CLIENT_CHECK, "SELECT pg_catalog.set_config('search_path', %s, false)"]
    )


def _forget_environment() -> None:
    """Remove libpq's variables: it takes each for what the URL does not say.

    PGOPTIONS, PGSERVICE or PGTARGETSESSIONATTRS were made for `psql` and other databases, and none
    of them can be overruled by an empty value in the URL.
    """
    found = sorted(name for name in os.environ if name.startswith(_PREFIX))
    for name in found:
        os.environ.pop(name, None)
    if found:
        log.info("not used, the URL of the database says it all: %s", ", ".join(found))
