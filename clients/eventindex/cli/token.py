"""`eventindex token`: make, list and revoke access tokens.

The secret of a new one is all that `create` prints to standard output, so that a shell can take it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from eventindex.addresses import find_address
from eventindex.admin_results import AccessToken, to_access_token
from eventindex.cli.shared.common import (
    Failure,
    RefusedUsage,
    connection_options,
    missing_part,
    note,
)
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    record_of,
    show_time,
    write_list,
)
from eventindex.limits import TOKEN_LIFETIME_SECONDS
from eventindex.printing import printable

if TYPE_CHECKING:
    from eventindex.client import Client

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LIFETIME = re.compile(r"([0-9]{1,12})([smhd])")


def _state(row: AccessToken) -> str:
    if row.revoked:
        return "revoked"
    now = datetime.datetime.now(datetime.UTC)
    return "expired" if row.expires is not None and row.expires <= now else "valid"


_COLUMNS: list[Column[AccessToken]] = [
    Column("id", lambda row: row.token_id, right=True),
    Column("subject", lambda row: row.subject, fold=True),
    Column("scopes", lambda row: ", ".join(row.scopes)),
    Column("created", lambda row: show_time(row.created)),
    Column("made by", lambda row: row.created_by, fold=True),
    Column("expires", lambda row: show_time(row.expires)),
    Column("last used", lambda row: show_time(row.last_used)),
    Column("state", _state),
]


def _seconds(_: click.Context, __: click.Parameter, value: str) -> int:
    match = _LIFETIME.fullmatch(value)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is not a number with s, m, h or d behind it, up to 365d"
        )
    return int(match[1]) * _UNITS[match[2]]


@click.group(cls=ListGroup, short_help="Access tokens: list, create, revoke.")
def token() -> None:
    """Access tokens: list (when nothing else is said), create, revoke."""


@token.command("list")
@format_option
@connection_options
def list_tokens(connect: Callable[[], Client], form: str) -> None:
    """List the tokens, expired and revoked ones too, the newest first."""
    with connect() as client:
        write_list(client.tokens(), Layout(_COLUMNS, AccessToken._fields, _record), form)


@token.command()
@click.option("--subject", required=True, help="For whom or what the token is.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="lookup, ingest or admin, which includes the others; may be repeated.",
)
@click.option(
    "--lifetime",
    callback=_seconds,
    default=f"{TOKEN_LIFETIME_SECONDS // 86400}d",
    show_default=True,
    metavar="TIME",
    help="When it expires: 12h, 30d.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Make it in the database, by the owner's URL: for the first token. Empty: by "
    "EVENTINDEX_DATABASE_URL, or in what `up` runs.",
)
@connection_options
def create(
    *,
    connect: Callable[[], Client],
    subject: str,
    scopes: tuple[str, ...],
    lifetime: int,
    database: str | None,
) -> None:
    """Make a token and print its secret, which is shown this once."""
    if database is not None:
        made, secret = _create_in_database(database, subject, scopes, lifetime)
    else:
        with connect() as client:
            made, secret = client.create_token(subject, scopes, lifetime_seconds=lifetime)
    click.echo(secret)
    note(
        f"token {made.token_id} for {printable(made.subject)}: {', '.join(made.scopes)}, "
        f"until {show_time(made.expires)} UTC"
    )


@token.command()
@click.argument("token_ids", metavar="ID...", nargs=-1, required=True)
@connection_options
def revoke(connect: Callable[[], Client], token_ids: tuple[str, ...]) -> None:
    """Make tokens invalid for good. The services notice within EVENTINDEX_TOKEN_CACHE_S."""
    with connect() as client:
        for token_id in token_ids:
            revoked = client.revoke_token(token_id)
            note(f"token {revoked.token_id} for {printable(revoked.subject)}: revoked")


def _create_in_database(
    url: str, subject: str, scopes: tuple[str, ...], lifetime_seconds: int
) -> tuple[AccessToken, str]:
    """Make a token as the ingest service does, without it."""
    from eventindex.v1 import admin_pb2

    try:
        # Not in the light install.
        from event_store.errors import StoreError, StoreUnavailableError  # not in the light install
        from ingest_service.admin.tokens import create_without_service  # not in the light install
    except ModuleNotFoundError as error:
        raise missing_part("token create --database", error) from error
    url = find_address("database", url)
    if not url:
        raise RefusedUsage("--database is empty: give a URL, or set EVENTINDEX_DATABASE_URL")
    request = admin_pb2.CreateTokenRequest(
        subject=subject, scopes=scopes, lifetime_seconds=lifetime_seconds
    )
    try:
        answer = create_without_service(url, request)
    except ValueError as error:
        raise RefusedUsage(" ".join(str(error).split())) from error
    except (StoreError, StoreUnavailableError) as error:
        raise Failure(" ".join(str(error).split())) from error
    return to_access_token(answer.token), answer.secret


def _record(row: AccessToken) -> dict[str, object]:
    return record_of(row) | {"scopes": " ".join(row.scopes)}
