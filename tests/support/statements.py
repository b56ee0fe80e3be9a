"""Statements as PostgreSQL logs them, and the shapes that a cluster of it (Citus) refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Distributed by run_number; all other tables are on the coordinator.
DISTRIBUTED = ("run", "event_page", "raw_file", "event_conflict", "cosmic_event")
# Written as functions, and none to the planner.
_NO_FUNCTIONS = ("coalesce", "nullif", "least", "greatest")
_LOGGED = re.compile(r"^\S+ \S+ \S+ \[\d+\] LOG:  (?:statement|execute [^:]*): (.*)")
_LINE = re.compile(r"^\S+ \S+ \S+ \[\d+\] [A-Z]+: ")
_SUBQUERY = re.compile(r"\(\s*SELECT\b", re.IGNORECASE)
# What stands before a subquery that is a relation or a set, and not a value for each row.
_RELATION = re.compile(
    r"\b(FROM|JOIN|LATERAL|IN|EXISTS|COPY|ANY|AS|MATERIALIZED|ALL|UNION)\s*$", re.IGNORECASE
)


def logged(text: str) -> Iterator[str]:
    """The statements of a server's log, each in one line."""
    found: list[str] = []
    for line in text.splitlines():
        begun = _LOGGED.match(line)
        if begun or _LINE.match(line):
            if found:
                yield " ".join(found)
            found = [begun[1]] if begun else []
        elif found:
            found.append(line.strip())
    if found:
        yield " ".join(found)


def refused(statement: str) -> str | None:
    """Why a cluster refuses a statement; None where no shape is known."""
    if re.search(r"SELECT\s+FROM\b", statement):
        return "an empty select list"
    target = re.search(r"INSERT INTO (?:public\.)?(\w+)", statement)
    changes = statement.partition(" DO UPDATE SET ")[2]
    if target and target[1] in DISTRIBUTED and changes:
        called = set(re.findall(r"\b(\w+)\(", changes.lower())) - {*_NO_FUNCTIONS}
        if called:
            return f"functions in DO UPDATE: {', '.join(sorted(called))}"
        if re.search(r"\bCASE\s+(?!WHEN\b)", changes):
            return "a simple CASE in DO UPDATE"
    return _value_of_other_table(statement)


def _value_of_other_table(statement: str) -> str | None:
    """Subqueries that are asked for each row of another table, over tables of both kinds."""
    for start in _SUBQUERY.finditer(statement):
        before = statement[: start.start()]
        exists = re.search(r"\bEXISTS\s*$", before)
        if _RELATION.search(before) and not exists:
            continue
        inner = _bracketed(statement, start.start())
        outside = statement.replace(inner, "")
        if not _of_the_outside(inner):
            continue
        here, there = _tables(inner), _tables(outside)
        over_limit = here & {*DISTRIBUTED} and " LIMIT " in outside and not exists
        mixed = bool(here & {*DISTRIBUTED}) != bool(there & {*DISTRIBUTED})
        if over_limit or (mixed and there):
            return f"a subquery for each row: {inner}"
    return None


def _bracketed(text: str, start: int) -> str:
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return text[start : place + 1]
    return text[start:]


def _of_the_outside(inner: str) -> bool:
    """Whether a subquery names a column of a table that it does not read itself."""
    own = {name for pair in _FROM.findall(inner) for name in pair if name}
    return any(name not in own for name in re.findall(r"\b([a-z_]\w*)\.[a-z_]", inner))


_FROM = re.compile(r"\b(?:FROM|JOIN)\s+(?:public\.)?([a-z_]\w*)(?:\s+(?:AS\s+)?([a-z]\w*))?")


def _tables(text: str) -> set[str]:
    return {table for table, _ in _FROM.findall(text)} | set(
        re.findall(r"\b(?:UPDATE|INTO)\s+([a-z_]\w*)", text)
    )
