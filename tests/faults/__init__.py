"""Faults done on purpose to real processes, and the proof that nothing was lost or doubled."""

from tests.faults import database_faults, ingest_faults

__all__ = ["database_faults", "ingest_faults"]
