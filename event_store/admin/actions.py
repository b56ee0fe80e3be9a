"""The record of what administrators did: written in the transactions of the changes, and listed."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection

OK = "OK"
UNFINISHED = "UNFINISHED"


class Action(NamedTuple):
    """A call that changes something.

    Attributes:
        call_id: tells it from all others.
        subject, peer: who called: the subject of the token, "" without one; from where.
        method: of AdminService.
        request: what was asked for, as JSON without secrets.
        outcome: what its transactions say of it while they are committed.
    """

    call_id: uuid.UUID
    subject: str
    peer: str
    method: str
    request: str
    outcome: str


class ActionRow(NamedTuple):
    """A recorded action."""

    action_id: int
    began: datetime
    ended: datetime | None
    subject: str
    peer: str
    method: str
    request: str
    outcome: str


def note(cursor: Cursor, action: Action) -> None:
    """Record an action in the transaction of a change; one that changed nothing needs no record."""
    cursor.execute(
        "INSERT INTO admin_action (call_id, subject, peer, method, request, outcome) "
        "SELECT %s, %s, %s, %s, %s, %s WHERE pg_current_xact_id_if_assigned() IS NOT NULL "
        "ON CONFLICT (call_id) DO NOTHING",
        (str(action.call_id), *action[1:]),
    )


def begin(connection: Connection, action: Action) -> None:
    """Record an action before it begins, in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO admin_action (call_id, subject, peer, method, request, outcome) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (str(action.call_id), *action[1:]),
        )


def end(connection: Connection, action: Action, outcome: str) -> None:
    """Record how an action ended, in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO admin_action (call_id, subject, peer, method, request, outcome, ended) "
            "VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (call_id) DO UPDATE "
            "SET outcome = EXCLUDED.outcome, ended = EXCLUDED.ended",
            (str(action.call_id), *action[1:5], outcome),
        )


def list_actions(
    connection: Connection, *, before: int, subject: str, method: str, limit: int
) -> list[ActionRow]:
    """Return actions below `before`, the newest first; empty texts do not restrict."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT action_id, began, ended, subject, peer, method, request, outcome "
            "FROM admin_action WHERE action_id < %s AND (%s = '' OR subject = %s) "
            "AND (%s = '' OR method = %s) ORDER BY action_id DESC LIMIT %s",
            (before, subject, subject, method, method, limit),
        )
        return [ActionRow(*row) for row in cursor.fetchall()]
