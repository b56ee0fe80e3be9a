"""The names of the bits of `olt_result`: listed, set, taken away. Two bits never share one."""

from __future__ import annotations

from collections.abc import Iterable

from event_store.database.connection import Connection
from event_store.errors import NameTakenError, NotFoundError
from event_store.select.criteria import Criterion, clash
from eventindex.told import told

# An advisory lock of this number is held while a name is compared with the others.
_NAMES_LOCK = 0x637269746572


def list_criteria(connection: Connection) -> list[Criterion]:
    """Return the names of all bits, in order of bit and run."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT bit, first_run, name FROM olt_criterion ORDER BY bit, first_run")
        return [Criterion(*row) for row in cursor.fetchall()]


def set_criterion(connection: Connection, criterion: Criterion) -> None:
    """Name a bit from a run on; another name from the same run on is replaced.

    Raises:
        NameTakenError: another bit has the name in some of these runs.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_NAMES_LOCK,))
        cursor.execute("SELECT bit, first_run, name FROM olt_criterion")
        other = clash((Criterion(*row) for row in cursor.fetchall()), criterion)
        if other is not None:
            raise NameTakenError(
                told(
                    "NAME_OF_BIT",
                    "name={name} is the name of bit {bit} from run {first_run} on",
                    name=repr(criterion.name),
                    bit=other.bit,
                    first_run=other.first_run,
                )
            )
        cursor.execute(
            "INSERT INTO olt_criterion (bit, first_run, name) VALUES (%s, %s, %s) "
            "ON CONFLICT (bit, first_run) DO UPDATE SET name = excluded.name",
            criterion,
        )


def delete_criterion(connection: Connection, bit: int, first_run: int | None) -> list[Criterion]:
    """Take all names of a bit away, or the one from a run on; returns them.

    Raises:
        NotFoundError: the bit has no such name.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM olt_criterion WHERE bit = %s AND (%s::bigint IS NULL OR first_run = %s) "
            "RETURNING bit, first_run, name",
            (bit, first_run, first_run),
        )
        gone: Iterable[Criterion] = (Criterion(*row) for row in cursor.fetchall())
        found = sorted(gone)
    if not found:
        where = "" if first_run is None else f" from run {first_run} on"
        raise NotFoundError(
            told("BIT_WITHOUT_NAME", "bit {bit} has no name{where}", bit=bit, where=where)
        )
    return found
