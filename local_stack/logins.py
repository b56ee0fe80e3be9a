"""The logins of the services in the embedded PostgreSQL, each with the rights of its service.

Their passwords are new at each start and nowhere on disk: a service is told its own, and no other.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from event_store.database import session
from event_store.database.roles import GATEWAY_ROLE, INDEX_ROLE, INGEST_ROLE

LOGINS: Mapping[str, str] = {
    "ingest_service": INGEST_ROLE,
    "index_service": INDEX_ROLE,
    "rest_gateway": GATEWAY_ROLE,
}
_CONNECT_TIMEOUT_S = 5


def make_logins(owner_url: str) -> dict[str, str]:
    """Make the logins, or give them new passwords; return the URL of each service."""
    urls = {}
    scheme, _, rest = owner_url.partition("://")
    place = rest.rpartition("@")[2]
    with (
        contextlib.closing(
            session.connect(owner_url, name="eventindex up", timeout_s=_CONNECT_TIMEOUT_S)
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (list(LOGINS),))
        there = {name for (name,) in cursor.fetchall()}
        for login, role in LOGINS.items():
            password = secrets.token_urlsafe(24)
            # The server, and its log, get what tells the password and not the password.
            verifier = encrypt_password(password, login, connection, "scram-sha-256")
            verb = "ALTER" if login in there else "CREATE"
            cursor.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(login), sql.Literal(verifier)
                )
            )
            cursor.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login))
            )
            urls[login] = f"{scheme}://{login}:{password}@{place}"
    return urls
