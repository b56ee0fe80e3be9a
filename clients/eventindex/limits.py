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
# Of run and event numbers, of dataset numbers, of masks.
NUMBER_MAX = 2**63 - 1
DSID_MAX = 2**31 - 1
OLT_MAX = 2**64 - 1
# Of a new token, where nothing else is said.
TOKEN_LIFETIME_SECONDS = 30 * 24 * 3600
# Input files of a pick that are read at a time.
FILES_TOGETHER = 2
# Endings of files that are read and written compressed.
COMPRESSIONS = (".gz", ".zst")
