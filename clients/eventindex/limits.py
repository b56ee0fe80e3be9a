"""Limits of the wire contract, the same for services and clients."""

from __future__ import annotations

PAIRS_PER_MESSAGE_MAX = 100_000
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
