"""Faults done on purpose to real processes, and the proof that nothing was lost or doubled."""

from tests.faults import ingest_faults

__all__ = ["ingest_faults"]
