"""Faults done on purpose to real processes, and the proof that nothing was lost or doubled."""

from tests.faults import (
    broker_faults,
    database_faults,
    disk_faults,
    index_faults,
    ingest_faults,
    input_faults,
    poison_faults,
    stream_faults,
    update_faults,
)

__all__ = [
    "broker_faults",
    "database_faults",
    "disk_faults",
    "index_faults",
    "ingest_faults",
    "input_faults",
    "poison_faults",
    "stream_faults",
    "update_faults",
]
