"""`eventindex conflicts`: events that were offered again with other values, and the decision."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from eventindex.catalogue_results import Conflict
from eventindex.cli.shared.bulk import Many, check_choice, confirm, for_each, yes_option
from eventindex.cli.shared.common import (
    both_services,
    connection_options,
    counted,
    note,
)
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    plain,
    show_time,
    write_fields,
    write_json,
    write_list,
)
from eventindex.cli.shared.ranges import whole
from eventindex.cli.shared.selection_options import (
    collection_option,
    detector_option,
    number,
    one_collection,
)
from eventindex.collection_names import RAW
from eventindex.errors import NotFoundError
from eventindex.values import Event

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[Conflict]] = [
    Column("id", lambda row: str(row.conflict_id), right=True),
    Column("run", lambda row: str(row.stored.run_number), right=True),
    Column("event", lambda row: str(row.stored.event_number), right=True),
    Column("differs", lambda row: ", ".join(_differences(row)), fold=True),
    Column("times", lambda row: f"{row.times:,}", right=True),
    Column("last seen", lambda row: show_time(row.last_seen)),
    Column("source", lambda row: row.source, fold=True),
    Column("resolution", lambda row: row.resolution),
]
_KINDS = ("file", "dataset", "olt", "record")
_OFFERED = ("dsid_raw", "fuid_raw", "olt_result")
_FIELDS = (
    "conflict_id",
    "run_number",
    "event_number",
    *(f"{side}_{name}" for side in ("stored", "offered") for name in _OFFERED),
    "source",
    "first_seen",
    "last_seen",
    "times",
    "resolution",
    "resolved_by",
    "resolved",
)


@click.group(cls=ListGroup, short_help="Conflicts: list, show, resolve.")
def conflicts() -> None:
    """Conflicts: list (when nothing else is said), show, resolve."""


@conflicts.command("list")
@click.option("--run", type=number, help="Conflicts of this run.")
@detector_option
@click.option("--resolved", is_flag=True, help="Those too that were decided on.")
@collection_option
@click.option("--limit", type=whole(1), help="At most so many conflicts.")
@format_option
@connection_options
def list_conflicts(
    *,
    connect: Callable[[], Client],
    run: int | None,
    detector: str | None,
    resolved: bool,
    collection: str | None,
    limit: int | None,
    form: str,
) -> None:
    """List the events that were offered again with other values."""
    with connect() as client:
        found = client.conflicts(
            run=run,
            with_resolved=resolved,
            collection=one_collection(collection, detector) or RAW,
        )
        columns = _COLUMNS if resolved else _COLUMNS[:-1]
        write_list(islice(found, limit), Layout(columns, _FIELDS, _record), form)


@conflicts.command()
@click.argument("conflict_id", metavar="ID", type=number)
@collection_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@connection_options
def show(
    connect: Callable[[], Client], conflict_id: int, collection: str | None, form: str
) -> None:
    """Show what is stored, what was offered, by whom and when."""
    with connect() as client:
        names = [collection] if collection else [one.name for one in client.collections()]
        known = (
            row for name in names for row in client.conflicts(with_resolved=True, collection=name)
        )
        conflict = next((row for row in known if row.conflict_id == conflict_id), None)
    if conflict is None:
        raise NotFoundError(f"there is no conflict {conflict_id}")
    if form == "json":
        write_json([_record(conflict)])
        return
    _show(conflict)


@conflicts.command()
@click.argument("ids", metavar="[ID...]", type=number, nargs=-1)
@click.option("--run", type=number, help="All open conflicts of this run.")
@click.option("--differs", type=click.Choice(_KINDS), help="All that differ in this.")
@click.option("--all", "everything", is_flag=True, help="All open conflicts.")
@click.option("--collection", default=RAW, show_default=True, metavar="NAME", help="Of this one.")
@click.option("--keep", "choice", flag_value="keep", help="The stored value stays.")
@click.option("--replace", "choice", flag_value="replace", help="The offered value takes over.")
@click.option("--by", "name", required=True, metavar="NAME", help="Who decided, for the record.")
@yes_option
@both_services
def resolve(
    *,
    connect: Callable[[], Client],
    ids: tuple[int, ...],
    run: int | None,
    differs: str | None,
    everything: bool,
    collection: str,
    choice: str | None,
    name: str,
    yes: bool,
) -> None:
    """Keep the stored values, or replace them with the offered ones.

    Give ids, or --run, --differs, or --all. Exit code: 0 all are resolved, 3 some are not, 1
    failure, 2 bad usage.
    """
    if choice is None:
        raise click.UsageError("give --keep or --replace")
    chosen = run is not None or differs is not None
    check_choice(ids, chosen=chosen, everything=everything, words="--run, --differs")

    def one(number: int) -> str:
        done = client.resolve_conflict(number, replace=choice == "replace", resolved_by=name)
        if ids:
            note(f"conflict {done.conflict_id}: {done.resolution} by {done.resolved_by}")
        return ""

    with connect() as client:
        found = ids or _open_conflicts(client, run, differs, collection)
        if found and not ids:
            what = "Keep the stored" if choice == "keep" else "Store the offered"
            confirm(f"{what} values of {counted(len(found), 'conflict')}?", yes)
        many = Many(found, "conflict", "resolve")
        left = for_each(many, one)
    if not ids:
        note(
            f"{counted(len(found) - left.undone, 'conflict')} resolved"
            + (f", {left.undone:,} not" if left.undone else "")
        )
    left.exit(many)


def _open_conflicts(
    client: Client, run: int | None, differs: str | None, collection: str
) -> list[int]:
    found = client.conflicts(run=run, collection=collection)
    return [
        conflict.conflict_id
        for conflict in found
        if differs is None or differs in _differences(conflict)
    ]


def _differences(conflict: Conflict) -> list[str]:
    stored, offered = conflict.stored, conflict.offered
    found = (
        stored.file.fuid_raw != offered.file.fuid_raw,
        stored.file.dsid_raw != offered.file.dsid_raw,
        stored.olt_result != offered.olt_result,
        conflict.stored_record != conflict.offered_record,
    )
    return [name for name, differs in zip(_KINDS, found, strict=True) if differs]


def _show(conflict: Conflict) -> None:
    by = f"{conflict.resolved_by}, {show_time(conflict.resolved)}"
    write_fields(
        [
            ("conflict", str(conflict.conflict_id)),
            ("run", str(conflict.stored.run_number)),
            ("event", str(conflict.stored.event_number)),
            *_event_fields("stored", conflict.stored, conflict.stored_record),
            *_event_fields("offered", conflict.offered, conflict.offered_record),
            ("source", conflict.source),
            ("times", f"{conflict.times:,}"),
            ("first seen", show_time(conflict.first_seen)),
            ("last seen", show_time(conflict.last_seen)),
            ("resolution", conflict.resolution or "none"),
            *([("resolved by", by)] if conflict.resolution else []),
        ]
    )


def _event_fields(side: str, event: Event, record: str) -> list[tuple[str, str]]:
    fields = [
        (f"{side} file", event.file.fuid_raw),
        (f"{side} dataset", str(event.file.dsid_raw)),
        (f"{side} olt", f"{event.olt_result:#x}"),
    ]
    return [*fields, (f"{side} record", record)] if record else fields


def _record(conflict: Conflict) -> dict[str, object]:
    found: dict[str, object] = {
        "conflict_id": conflict.conflict_id,
        "run_number": conflict.stored.run_number,
        "event_number": conflict.stored.event_number,
    }
    for side, event in (("stored", conflict.stored), ("offered", conflict.offered)):
        found |= {
            f"{side}_dsid_raw": event.file.dsid_raw,
            f"{side}_fuid_raw": event.file.fuid_raw,
            f"{side}_olt_result": event.olt_result,
        }
    rest = conflict._asdict()
    return found | {
        name: plain(value) for name, value in rest.items() if name not in {"stored", "offered"}
    }
