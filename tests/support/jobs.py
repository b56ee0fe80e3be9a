"""Lists for jobs of the gateway, and jobs waited for."""

from __future__ import annotations

import httpx

from rest_gateway.jobs.chunks import CHUNK_PAIRS
from tests.support.processes import wait_until

JOBS = "/api/v1/jobs"
LIST = {"Content-Type": "text/csv"}
N_CHUNKS = 4
PAIRS = (N_CHUNKS - 1) * CHUNK_PAIRS + 7


def a_list(pairs: int = PAIRS) -> bytes:
    """Pairs of one run as CSV."""
    return b"".join(b"1,%d\n" % event for event in range(pairs))


def post(http: httpx.Client, body: bytes, **parameters: object) -> httpx.Response:
    """Make a job of a list."""
    return http.post(JOBS, content=body, headers=LIST, params=parameters)


def wait_for(http: httpx.Client, address: str, state: str = "done") -> dict:
    """The job, once it is in a state."""

    def reached() -> dict | None:
        job = http.get(address).json()
        return job if job.get("state") == state else None

    return wait_until(reached, what=f"{state} job")
