"""Access tokens: made, found by their secret's digest, listed, revoked.

Never stores a secret: it is random (256 bits), so that its SHA-256 gives nothing away.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from event_store.database.connection import Connection, fetch_one
from event_store.errors import NotFoundError
from eventindex.told import told

TOKENS_LISTED_MAX = 10_000
_PREFIX = "eix_"
_RANDOM_BYTES = 32
_SECRET = re.compile(r"eix_[A-Za-z0-9_-]{43,128}")
_COLUMNS = "token_id, subject, scopes, created, expires, revoked, created_by, last_used"


class Scope(StrEnum):
    """What a token may be used for. `admin` includes the others: it can make tokens for them."""

    LOOKUP = "lookup"
    INGEST = "ingest"
    ADMIN = "admin"


class AccessToken(NamedTuple):
    """What is known of a token. Times are aware; `revoked` is None while it is not.

    `created_by` is the subject of who made it, "" where that needed no token; `last_used` the hour.
    """

    token_id: int
    subject: str
    scopes: Sequence[str]
    created: datetime
    expires: datetime
    revoked: datetime | None
    created_by: str = ""
    last_used: datetime | None = None


def new_secret() -> str:
    """Return a secret that nobody guesses, with a prefix by which people and scanners know it."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def can_be_secret(text: str) -> bool:
    """Return whether a text has the form of a secret."""
    return _SECRET.fullmatch(text) is not None


def digest_of(secret: str) -> bytes:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def create(
    connection: Connection,
    digest: bytes,
    subject: str,
    scopes: Sequence[str],
    lifetime_s: int,
    *,
    created_by: str = "",
) -> AccessToken:
    """Store a new token, which expires after so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO access_token (digest, subject, scopes, expires, created_by) "
            f"VALUES (%s, %s, %s, now() + make_interval(secs => %s), %s) RETURNING {_COLUMNS}",
            (digest, subject, list(scopes), lifetime_s, created_by),
        )
        return AccessToken(*fetch_one(cursor))


def find(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, AccessToken]:
    """Return the tokens with these digests, revoked and expired ones too."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT digest, {_COLUMNS} FROM find_access_tokens(%s::bytea[])", (list(digests),)
        )
        return {bytes(digest): AccessToken(*row) for digest, *row in cursor.fetchall()}


def note_used(connection: Connection, token_ids: Sequence[int]) -> None:
    """Note the hour in which tokens were used; a standby, which writes nothing, notes none.

    The role of a service that only reads may be one whose transactions do not write.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        if fetch_one(cursor)[0]:
            return
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute("SELECT note_access_tokens_used(%s::bigint[])", (list(token_ids),))


def list_tokens(connection: Connection) -> list[AccessToken]:
    """Return the newest tokens, at most `TOKENS_LISTED_MAX`, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM access_token ORDER BY token_id DESC LIMIT %s",
            (TOKENS_LISTED_MAX,),
        )
        return [AccessToken(*row) for row in cursor.fetchall()]


def revoke(connection: Connection, token_id: int) -> AccessToken:
    """Make a token invalid; one that is revoked already stays so.

    Raises:
        NotFoundError: there is no such token.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE access_token SET revoked = coalesce(revoked, now()) WHERE token_id = %s "
            f"RETURNING {_COLUMNS}",
            (token_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise NotFoundError(told("TOKEN_NOT_FOUND", "token {id} does not exist", id=token_id))
    return AccessToken(*row)
