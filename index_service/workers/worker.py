"""One of several workers: a process, `python -m index_service.workers.worker N FILE`.

Started by the supervisor alone. FILE is the descriptor of the memory that the metrics are written
to. The supervisor holds standard input open for as long as it lives and reads
the state of the worker from standard output, a line each: what keeps it from answering, or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from functools import partial

from index_service.workers import summed_metrics
from index_service.workers.shared_numbers import SharedNumbers
from service_kit.grpc_server import stop_signal
from service_kit.health import beside
from service_kit.settings import Settings
from service_kit.start import run_service

log = logging.getLogger("index_service.workers.worker")

# What it reports until it has its port.
STARTING = "starting"
REPORT_INTERVAL_S = 0.25
REPORT_BYTES_MAX = 1000
_STDIN, _STDOUT = 0, 1


async def _serve(settings: Settings, number: int) -> int:
    # Its metrics are made when it is imported, and must be a worker's.
    from index_service.service import IndexService  # noqa: PLC0415  # as above

    loop = asyncio.get_running_loop()
    stopping = stop_signal(loop, settings.shutdown_max_s)
    loop.add_reader(_STDIN, _end_without_supervisor)
    os.set_blocking(_STDOUT, False)
    service = IndexService(settings, number)
    # A database that is silent holds the start up: the supervisor is told that this one lives.
    async with beside(_report(lambda: STARTING)):
        await service.open(shared_port=True)
    async with beside(_report(service.probe.problem)):
        await service.run(stopping)
    return 0


async def _report(problem: Callable[[], str | None]) -> None:
    """Write the state until cancelled; a line that nobody reads is left out."""
    while True:
        line = " ".join((problem() or "").split()).encode()[:REPORT_BYTES_MAX]
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(_STDOUT, line + b"\n")
        await asyncio.sleep(REPORT_INTERVAL_S)


def _end_without_supervisor() -> None:
    """End a worker without a supervisor: nobody would stop it or answer for it."""
    if not os.read(_STDIN, 1):
        log.error("the supervisor is gone")
        os._exit(1)


def main() -> int:
    """Serve until told to stop; the exit code."""
    number, file = map(int, sys.argv[1:])
    summed_metrics.write_as_worker(SharedNumbers(file))
    return run_service(f"index_service worker {number}", partial(_serve, number=number))


if __name__ == "__main__":
    sys.exit(main())
