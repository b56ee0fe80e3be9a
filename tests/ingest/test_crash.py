"""A thread of ingest_service that ends by mistake takes the service with it."""

from __future__ import annotations

import time

from tests.support.ports import free_port
from tests.support.processes import run_python

# The writer fails at once, and what it would have to drain never ends.
PROGRAM = """
import runpy, time
from ingest_service.pipeline.pipeline import Pipeline
def fail(self): raise RuntimeError("a mistake")
Pipeline._wait_for_usable_database = fail
Pipeline.drain = lambda self, timeout_s: time.sleep(120)
runpy.run_module("ingest_service", run_name="__main__")
"""


def test_a_service_whose_writer_ended_is_restarted_within_a_bound() -> None:
    """It says so, and waits no longer for its end than after SIGTERM: a supervisor acts then."""
    began = time.monotonic()
    ended = run_python(
        PROGRAM,
        EVENTINDEX_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x",
        EVENTINDEX_INGEST_ADDRESS=f"127.0.0.1:{free_port()}",
        EVENTINDEX_INGEST_METRICS_ADDRESS=f"127.0.0.1:{free_port()}",
        EVENTINDEX_SHUTDOWN_GRACE_S="0",
        EVENTINDEX_SHUTDOWN_MAX_S="1",
    )
    assert ended.returncode == 1
    assert "the writer thread ends" in ended.stderr
    assert "not drained within 1 s" in ended.stderr
    assert time.monotonic() - began < 30
