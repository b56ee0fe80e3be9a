"""Limits that services and clients keep alike."""

from __future__ import annotations

PAIRS_PER_MESSAGE_MAX = 100_000
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
# Of a selection.
RUN_RANGES_MAX = 10_000
# Of what is noted of a file: the name in UTF-8.
NAME_BYTES_MAX = 1024
CHECKSUM_CHARACTERS_MAX = 256
# Of a ROOT file: the bits of a mask.
CRITERIA_MAX = 64
# The wait for a storage of ROOT files, where nothing else is said.
STORAGE_SECONDS_MAX = 30.0
