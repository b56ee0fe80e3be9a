"""`python -m tests.support.schema_dump`: a database of today's schema with some of everything.

A release writes one and commits it: tests/store/test_updates.py upgrades each that is there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from event_store.database.migrate import migrate, migrations
from event_store.model import DeadLetter
from event_store.write.writer import Store
from tests.conftest import execute
from tests.support.command import DATA
from tests.support.processes import POSTGRES_BIN_PATH, PostgresServer, Service

EVENTINDEX = Path(sys.executable).with_name("eventindex")


_JOB = """
INSERT INTO http_job (job_id, state, expires, with_olt_result, pairs, chunks)
  VALUES ('00000000-0000-0000-0000-000000000001', 'queued', now() + interval '1 year', false, 1, 1);
INSERT INTO http_job_chunk (job_id, chunk_no, request)
  VALUES ('00000000-0000-0000-0000-000000000001', 0, '\\x120101180122');
"""


def fill(url: str, scratch: Path) -> None:
    """Store events of several kinds, conflicts, refusals, names, a token, a job."""
    ingest = Service("ingest_service", database_url=url).start()

    def run(*arguments: str) -> None:
        subprocess.run([EVENTINDEX, *arguments], cwd=scratch, check=True)

    try:
        at = ("--address", ingest.address)
        made = ("--runs", "2", "--events", "700", "--gaps", "0.1", "--triggers", "0.5,0.1")
        # A dense and a sparse page, files with names, two datasets.
        run("generate", "-o", "raw.csv", *made, "--datasets", "2", "--file-names")
        run("load", "raw.csv", *at)
        run("collections", "create", "aod", "--from", "raw", *at)
        run("generate", "-o", "aod.csv", *made, "--dsid", "11", "--seed", "2")
        run("load", "aod.csv", "--collection", "aod", *at)
        # Some of the events in another dataset: conflicts.
        head, *rows = (scratch / "raw.csv").read_text().splitlines(keepends=True)
        fields = [row.split(",") for row in rows[:5]]
        at_dsid = head.split(",").index("dsid_raw")
        for row in fields:
            row[at_dsid] = "3"
        (scratch / "other.csv").write_text(head + "".join(map(",".join, fields)))
        run("load", "other.csv", *at)
        run("load", str(DATA / "dump.dat"), *at)
        run("criteria", "set", "0", "muon", *at)
        run("token", "create", "--database", url, "--subject", "anna", "--scope", "lookup")
    finally:
        ingest.close()
    store = Store(url)
    letter = DeadLetter("eventindex/v1/json/a", b"{\x00", "malformed", "not JSON", "a")
    store.add_dead_letters([letter], 1_000_000)
    store.close()
    execute(url, _JOB)


def main() -> None:
    """Write tests/data/schema_NNNN.sql."""
    server = PostgresServer()
    server.start()
    try:
        execute(server.url(), "CREATE DATABASE dumped")
        url = server.url("dumped")
        migrate(url)
        with tempfile.TemporaryDirectory() as scratch:
            fill(url, Path(scratch))
        dump = [POSTGRES_BIN_PATH / "pg_dump", "--no-owner", "--no-privileges", url]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    finally:
        server.close()
    target = DATA / f"schema_{max(migrations()):04}.sql"
    # What psql of another release does not know, and nobody needs.
    unknown = ("\\restrict", "\\unrestrict", "SET transaction_timeout")
    kept = [line for line in text.splitlines() if not line.startswith(unknown)]
    target.write_text("\n".join(kept) + "\n")


if __name__ == "__main__":
    main()
