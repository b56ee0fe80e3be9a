"""Which statements a cluster of PostgreSQL (Citus) refuses is found by their shape."""

from __future__ import annotations

import pytest

from tests.support.statements import logged, refused

UPSERT = "INSERT INTO event_conflict AS c (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET "


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (UPSERT + "last_seen = now()", "functions in DO UPDATE: now"),
        (UPSERT + "a = CASE c.a WHEN 'x' THEN 1 ELSE 2 END", "a simple CASE"),
        ("SELECT EXISTS (SELECT FROM run WHERE run_number = 1)", "an empty select list"),
        (
            "SELECT p.*, (SELECT count(*) FROM raw_file f WHERE f.run_number = p.run_number) "
            "FROM (SELECT * FROM run LIMIT 5) p",
            "a subquery for each row",
        ),
        (
            "UPDATE dataset SET name = 'a' RETURNING (SELECT sum(n_events) FROM raw_file f "
            "WHERE f.dsid_raw = dataset.dsid_raw)",
            "a subquery for each row",
        ),
        (
            "SELECT (SELECT k.name FROM collection k WHERE k.collection_id = p.collection_id) "
            "FROM event_conflict p",
            "a subquery for each row",
        ),
        (
            "SELECT c.name FROM collection c WHERE EXISTS (SELECT 1 FROM unnest('{1}'::bigint[]) "
            "AS w (run) JOIN run r ON r.run_number = w.run AND r.collection_id = c.collection_id)",
            "a subquery for each row",
        ),
    ],
)
def test_a_refused_shape_is_found(statement, why):
    """Each shape that the real cluster refused is told."""
    assert why in (refused(statement) or "")


@pytest.mark.parametrize(
    "statement",
    [
        UPSERT + "last_seen = excluded.last_seen, a = coalesce(c.a, 1)",
        UPSERT + "a = CASE WHEN c.a = 'x' THEN 1 ELSE 2 END",
        "INSERT INTO broker_session (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET seen = now()",
        "SELECT d.name FROM raw_file p LEFT JOIN dataset d ON d.dsid_raw = p.dsid_raw LIMIT 5",
        "SELECT 1 FROM run r WHERE EXISTS (SELECT 1 FROM cosmic_event c "
        "WHERE c.run_number = r.run_number OFFSET 0) LIMIT 5",
        "SELECT (SELECT name FROM collection WHERE collection_id = 5) FROM run LIMIT 5",
    ],
)
def test_what_works_is_taken(statement):
    """Statements that the cluster answered are no finding."""
    assert refused(statement) is None


def test_statements_of_several_lines_are_read_from_the_log():
    """A statement goes on until the next line that begins with a time."""
    head = "2026-01-02 03:04:05.678 UTC [12] "
    text = f"{head}LOG:  statement: SELECT 1\n\t  FROM run\n{head}ERROR:  no\n{head}LOG:  "
    assert list(logged(f"{text}execute a: COMMIT\n")) == ["SELECT 1 FROM run", "COMMIT"]
