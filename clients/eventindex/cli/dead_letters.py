"""`eventindex dead-letters`: refused messages, and what to do with them."""

from __future__ import annotations

import base64
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from eventindex.admin_results import DeadLetter
from eventindex.cli.shared.bulk import Left, Many, check_choice, confirm, for_each, yes_option
from eventindex.cli.shared.common import connection_options, counted, note
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    plain,
    show_time,
    write_fields,
    write_list,
)
from eventindex.cli.shared.ranges import whole
from eventindex.cli.shared.selection_options import number
from eventindex.printing import printable

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[DeadLetter]] = [
    Column("id", lambda row: str(row.dead_letter_id), right=True),
    Column("received", lambda row: show_time(row.received)),
    Column("bytes", lambda row: f"{row.payload_bytes:,}", right=True),
    Column("reason", lambda row: row.reason, fold=True),
    Column("topic", lambda row: row.topic, fold=True),
    Column("detail", lambda row: row.detail, fold=True),
]
_FIELDS = tuple(name for name in DeadLetter._fields if name != "payload")

_reason = click.option("--reason", default="", help="Refused for this reason.")
_topic = click.option("--topic", default="", help="That came on this topic.")
_NOUN = "dead letter"
_OUTCOMES = ("inserted", "duplicates", "conflicts", "rejected")


class _Chosen(NamedTuple):
    """Which dead letters: those with these ids, or those of a reason and topic."""

    ids: tuple[int, ...]
    reason: str
    topic: str

    def find(self, client: Client, verb: str, how: str, yes: bool) -> list[int]:
        """Return their ids, the oldest first; many are counted and confirmed."""
        if self.ids:
            return list(self.ids)
        letters = client.dead_letters(reason=self.reason, topic=self.topic)
        found = sorted(letter.dead_letter_id for letter in letters)
        if found:
            confirm(f"{verb} {counted(len(found), _NOUN)} {how}?", yes)
        return found


def _chosen(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which dead letters are meant; the command gets `chosen` and `yes`."""

    @click.argument("ids", metavar="[ID...]", type=number, nargs=-1)
    @_reason
    @_topic
    @click.option("--all", "everything", is_flag=True, help="All there are.")
    @yes_option
    @functools.wraps(command)
    def wrapped(
        ids: tuple[int, ...], reason: str, topic: str, everything: bool, **rest: Any
    ) -> Any:
        chosen = bool(reason or topic)
        check_choice(ids, chosen=chosen, everything=everything, words="--reason, --topic")
        return command(chosen=_Chosen(ids, reason, topic), **rest)

    return wrapped


@click.group(
    "dead-letters",
    cls=ListGroup,
    short_help="Refused messages: list, show, replay, discard, export.",
)
def dead_letters() -> None:
    """Refused messages: list (when nothing else is said), show, replay, discard, export."""


@dead_letters.command("list")
@_reason
@_topic
@click.option("--limit", type=whole(1), help="At most so many.")
@format_option
@connection_options
def list_dead_letters(
    *, connect: Callable[[], Client], reason: str, topic: str, limit: int | None, form: str
) -> None:
    """List the refused messages."""
    with connect() as client:
        found = client.dead_letters(reason=reason, topic=topic)
        write_list(islice(found, limit), Layout(_COLUMNS, _FIELDS, _listed), form)


@dead_letters.command()
@click.argument("dead_letter_id", metavar="ID", type=number)
@click.option("--raw", is_flag=True, help="Print the payload as it came, and nothing else.")
@connection_options
def show(connect: Callable[[], Client], dead_letter_id: int, raw: bool) -> None:
    """Show a refused message with its payload: text, or hexadecimal digits."""
    with connect() as client:
        letter = client.get_dead_letter(dead_letter_id)
    if raw:
        sys.stdout.buffer.write(letter.payload)
        sys.stdout.buffer.flush()
        return
    write_fields(
        [
            ("dead letter", str(letter.dead_letter_id)),
            ("received", show_time(letter.received)),
            ("topic", letter.topic),
            ("source", letter.source),
            ("request id", letter.request_id),
            ("reason", letter.reason),
            ("detail", letter.detail),
            ("bytes", f"{letter.payload_bytes:,}{' (cut)' if letter.truncated else ''}"),
        ]
    )
    click.echo()
    click.echo(_payload_text(letter.payload))


@dead_letters.command()
@_chosen
@connection_options
def replay(*, connect: Callable[[], Client], chosen: _Chosen, yes: bool) -> None:
    """Send refused messages through the pipeline again, the oldest first.

    Give ids, or --reason, --topic, or --all. Exit code: 0 all are in the index now, 3 some are not,
    1 failure, 2 bad usage.
    """
    outcome: Counter[str] = Counter()

    def one(number: int) -> str:
        ack = client.replay_dead_letter(number)
        counts = {name: getattr(ack, name) for name in _OUTCOMES}
        outcome.update(counts)
        if chosen.ids:
            note(f"{number}: {_in_words(counts)}")
        return "; ".join(printable(rejection.reason) for rejection in ack.rejections)

    with connect() as client:
        many = Many(chosen.find(client, "Send", "through the pipeline again", yes), _NOUN, "replay")
        left = for_each(many, one)
    if not chosen.ids:
        note(_in_words(outcome))
    _end(many, left, "replayed")


@dead_letters.command()
@_chosen
@connection_options
def discard(*, connect: Callable[[], Client], chosen: _Chosen, yes: bool) -> None:
    """Remove refused messages for good.

    Give ids, or --reason, --topic, or --all. Exit code: 0 all are removed, 3 some were not there, 1
    failure, 2 bad usage.
    """

    def one(number: int) -> str:
        client.discard_dead_letter(number)
        return ""

    with connect() as client:
        many = Many(chosen.find(client, "Remove", "for good", yes), _NOUN, "discard")
        left = for_each(many, one)
    _end(many, left, "discarded")


@dead_letters.command()
@_reason
@_topic
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File.")
@connection_options
def export(connect: Callable[[], Client], reason: str, topic: str, output: Path | None) -> None:
    """Write refused messages with their payloads as JSON lines.

    A payload is text where it is UTF-8 (`payload`), else base64 (`payload_base64`).
    """
    count = 0
    with connect() as client:
        letters = client.dead_letters(reason=reason, topic=topic)
        with click.open_file(str(output or "-"), "w", encoding="utf-8", atomic=bool(output)) as out:
            for listed in letters:
                letter = client.get_dead_letter(listed.dead_letter_id)
                out.write(json.dumps(_exported(letter), ensure_ascii=False) + "\n")
                count += 1
    note(counted(count, "dead letter"))


def _in_words(outcome: Mapping[str, int]) -> str:
    inserted, duplicates, conflicts, rejected = (outcome.get(name, 0) for name in _OUTCOMES)
    return (
        f"{inserted:,} inserted, {duplicates:,} duplicates, {conflicts:,} conflicts, "
        f"{rejected:,} refused"
    )


def _end(many: Many, left: Left, done: str) -> None:
    some = f", {left.undone:,} not" if left.undone else ""
    note(f"{counted(len(many.ids) - left.undone, _NOUN)} {done}{some}")
    left.exit(many)


def _listed(letter: DeadLetter) -> dict[str, object]:
    return {name: plain(getattr(letter, name)) for name in _FIELDS}


def _exported(letter: DeadLetter) -> dict[str, object]:
    try:
        payload = {"payload": letter.payload.decode()}
    except UnicodeDecodeError:
        payload = {"payload_base64": base64.b64encode(letter.payload).decode()}
    return _listed(letter) | payload


def _payload_text(payload: bytes) -> str:
    try:
        lines = payload.decode().splitlines()
    except UnicodeDecodeError:
        return payload.hex(" ", 2)
    return "\n".join(map(printable, lines))
