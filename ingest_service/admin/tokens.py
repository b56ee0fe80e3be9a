"""Access tokens made in the database: by AdminService, and by the command line for the first one.

The answer is the only place where a secret stands.
"""

from __future__ import annotations

import contextlib
import uuid
from functools import partial

from google.protobuf.json_format import MessageToJson

from event_store.admin import actions, tokens
from event_store.database.connection import Connection
from eventindex.v1 import admin_pb2
from ingest_service.admin.plan import TokenPlan, plan_token
from ingest_service.admin.reply import token_message
from service_kit.settings import Settings

# Who made a token that was made past the service.
_FROM_DATABASE = "database"


def create_token(
    connection: Connection, plan: TokenPlan, created_by: str
) -> admin_pb2.CreateTokenResponse:
    """Store a token with a new secret."""
    secret = tokens.new_secret()
    token = tokens.create(connection, tokens.digest_of(secret), *plan, created_by=created_by)
    return admin_pb2.CreateTokenResponse(token=token_message(token), secret=secret)


def create_without_service(
    database_url: str, request: admin_pb2.CreateTokenRequest
) -> admin_pb2.CreateTokenResponse:
    """Make a token as `CreateToken` does, on a connection of its own.

    Raises:
        ValueError: a subject, scope or lifetime that cannot be, or a wrong setting.
        StoreUnavailableError: no connection, no such table, or no right to write it.
    """
    settings = Settings.model_validate({})
    plan = plan_token(request, settings.token_lifetime_max_s)
    connection = Connection(
        database_url, settings.store_options, autocommit=False, name="eventindex token"
    )
    action = actions.Action(
        uuid.uuid4(),
        _FROM_DATABASE,
        "",
        "CreateToken",
        MessageToJson(request, indent=None),
        actions.OK,
    )
    connection.before_commit = partial(actions.note, action=action)
    with contextlib.closing(connection):
        return create_token(connection, plan, _FROM_DATABASE)
