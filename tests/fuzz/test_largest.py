"""The largest hostile message for each reader is refused or read, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.largest import CASES, MIB, Cost

# docs/security.md has what they took: beside other tests a core is slower.
SECONDS_MAX = 120.0
PEAK_BYTES_MAX = 256 * MIB


@pytest.mark.slow
def test_the_largest_hostile_messages_cost_bounded_time_and_memory() -> None:
    """No message that a door lets in takes a reader down, or holds it up for long."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.largest"], check=True, capture_output=True, text=True
    )
    costs = [Cost(*json.loads(line)) for line in done.stdout.splitlines()]
    assert [cost.name for cost in costs] == list(CASES)
    for cost in costs:
        assert cost.outcome.startswith(("refused", "read")), cost
        assert cost.seconds < SECONDS_MAX, cost
        assert cost.peak_bytes < PEAK_BYTES_MAX, cost
