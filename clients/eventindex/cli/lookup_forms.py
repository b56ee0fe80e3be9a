"""The forms in which `eventindex lookup` answers, and which of them is meant. Pure."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from eventindex.limits import COMPRESSIONS

FORMS = ("table", "csv", "json", "jsonl", "parquet", "files", "entrylist", "condor", "ranges")
# Those of several collections.
PLAIN_FORMS = frozenset({"table", "csv", "json"})
_BY_ENDING = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BY_ENDING |= {".parquet": "parquet", ".pq": "parquet"}
# What is of no use without names.
NAMED_FORMS = frozenset({"files", "entrylist", "condor"})


def output_form(output: str | None, form: str | None) -> str:
    """Return the form of an answer: what is asked for, else what the name of the file says.

    Raises:
        click.UsageError: Parquet to a terminal, or compressed.
    """
    name = Path(output or "")
    packed = name.suffix.lower() in COMPRESSIONS
    suffix = (Path(name.stem) if packed else name).suffix.lower()
    found = form or _BY_ENDING.get(suffix, "table")
    if found == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give -o FILE")
    if found == "parquet" and packed:
        raise click.UsageError(f"{output}: Parquet is compressed inside; leave out {name.suffix}")
    return found
