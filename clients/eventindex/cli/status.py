"""`eventindex status`: which services the commands talk to, why these, and whether they answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import click

import eventindex
from eventindex.addresses import Found, Service, locate
from eventindex.cli.shared.common import EXIT_FAILURE, both_services, counted
from eventindex.cli.shared.listing import show_time, write_fields
from eventindex.errors import EventIndexError
from eventindex.hosts import without_password
from eventindex.run_results import IndexStatus
from eventindex.token import TokenSource

if TYPE_CHECKING:
    from eventindex.client import Client


class _Service(NamedTuple):
    """A service, where it is and how it is."""

    name: str
    found: Found
    health: str = ""
    answers: bool = True


@click.command(short_help="Where the services are, and what the index holds.")
@both_services
def status(connect: Callable[[], Client]) -> None:
    """Show where the services are and what says so, whether they answer, and what the index holds.

    Exit code: 0 both answer, 1 one of them does not.
    """
    with connect() as client:
        held: list[IndexStatus] = []

        def index() -> str:
            held.append(client.index_status())
            return held[0].version

        # At once: one that is away is waited for.
        with ThreadPoolExecutor() as threads:
            asked = [
                threads.submit(_ask, "index", lambda: client.location("index"), index),
                threads.submit(
                    _ask, "ingest", lambda: client.location("ingest"), client.ingest_version
                ),
            ]
        rows = [one.result() for one in asked]
    fields = [field for row in [*rows, *_not_asked()] for field in _fields(row)]
    fields += [("client", f"version {version('eventindex')}"), ("token", _token(rows))]
    write_fields([*fields, *_contents(held)])
    if not all(row.answers for row in rows):
        sys.exit(EXIT_FAILURE)


def _ask(name: str, where: Callable[[], Found], ask: Callable[[], str]) -> _Service:
    try:
        found = where()
    except EventIndexError as error:
        return _Service(name, Found("", ""), str(error), answers=False)
    started = time.monotonic()
    try:
        found_version = ask()
    except eventindex.AccessError as error:
        return _Service(name, found, f"answers: {_words(error, found)}")
    except (EventIndexError, OSError) as error:
        return _Service(name, found, f"does not answer: {_words(error, found)}", answers=False)
    milliseconds = (time.monotonic() - started) * 1000
    return _Service(name, found, f"version {found_version}, answers in {milliseconds:.0f} ms")


def _fields(row: _Service) -> list[tuple[str, str]]:
    if not row.found.address:
        return [(row.name, row.health)]
    health = [("", row.health)] if row.health else []
    return [(row.name, row.found.address), *health, ("", f"address from {row.found.source}")]


def _words(error: Exception, found: Found) -> str:
    return " ".join(str(error).removeprefix(f"{found.address}: ").split())


def _not_asked() -> list[_Service]:
    """Return what some commands use beside the two services; without passwords."""
    rows = []
    services: tuple[Service, ...] = ("mqtt", "database")
    for name in services:
        with suppress(EventIndexError):
            found = locate(name)
            if found.address:
                shown = found._replace(address=without_password(found.address))
                rows.append(_Service(name, shown))
    return rows


def _token(rows: list[_Service]) -> str:
    for name in ("EVENTINDEX_TOKEN", "EVENTINDEX_TOKEN_FILE"):
        if os.environ.get(name):
            return f"from {name}"
    profiles = [row.found.profile for row in rows if row.found.profile is not None]
    files = [str(profile.token_file) for profile in profiles if profile.token_file is not None]
    if files:
        return f"from {files[0]}"
    return "from where tools of the WLCG put it" if TokenSource().discovered() else "none"


def _contents(held: list[IndexStatus]) -> list[tuple[str, str]]:
    if not held:
        return []
    [found] = held
    size = f"{found.bytes / 1e6:,.1f} MB on disk"
    if found.events:
        size += f", {found.bytes / found.events:.1f} bytes an event"
    words = [
        counted(found.events, "event"),
        counted(found.runs, "run"),
        counted(found.files, "file"),
        counted(found.datasets, "dataset"),
        counted(found.collections, "collection"),
    ]
    last = [("last event", f"{show_time(found.last_seen)} UTC")] if found.last_seen else []
    lies = []
    if found.shards:
        where = f"{counted(found.shards, 'shard')} on {counted(found.nodes, 'node')}"
        lies = [("distributed", f"by run, {where}")]
    return [("contents", ", ".join(words)), *last, ("size", size), *lies]
