"""index_service as several workers on one port: starts them, watches them, stops them.

The kernel gives each new connection to one of the workers. Never answers a lookup: it holds the
port, serves the metrics and the health of all, and starts a worker that ended again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable
from functools import partial

from index_service.workers.processes import ProcessesOfWorkers
from index_service.workers.summed_metrics import SummedMetrics
from index_service.workers.worker import STARTING
from service_kit.certificates import watch_certificates
from service_kit.grpc_server import check_exposure, stop_signal
from service_kit.health import Pulse
from service_kit.monitoring import MonitoringServer, Remark
from service_kit.settings import Settings
from service_kit.shared_port import held_port

log = logging.getLogger(__name__)

# A worker that dies at once is not started more often than this.
START_INTERVAL_S = 5.0
# A worker gets its own grace period and this much more before it is killed.
STOP_MARGIN_S = 5.0


class WorkerFailedError(Exception):
    """A worker ended before it served for the first time."""


async def supervise(settings: Settings) -> int:
    """Serve lookups by several workers until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
    """
    stopping = stop_signal(asyncio.get_running_loop(), settings.shutdown_max_s)
    check_exposure(settings, settings.index_address)
    check_exposure(settings, settings.index_metrics_address, tls=False)
    metrics = SummedMetrics()
    with held_port(settings.index_address) as address:
        workers = [
            Worker(number, settings, address, metrics)
            for number in range(1, settings.index_workers_in_use + 1)
        ]
        pids = [worker.pid for worker in workers]
        metrics.registry.register(ProcessesOfWorkers(lambda: filter(None, (p() for p in pids))))
        watch_certificates(settings, "tls_cert", registry=metrics.registry)
        with MonitoringServer(
            settings.index_metrics_address,
            live={worker.name: worker.pulse.problem for worker in workers},
            ready={worker.name: partial(_problem, worker, workers) for worker in workers},
            registry=metrics.registry,
            hosts=settings.our_hosts,
        ):
            log.info("serving lookups on %s with %d workers", address, len(workers))
            return await _run(workers, stopping, settings.shutdown_grace_s)


def _problem(worker: Worker, workers: Iterable[Worker]) -> str | None:
    """Return what is wrong; nothing where a worker starts again and others answer meanwhile."""
    problem = worker.problem()
    if problem and worker.starts_again and any(other.problem() is None for other in workers):
        return Remark(f"{problem}; the others answer")
    return problem


async def _run(workers: list[Worker], stopping: asyncio.Event, grace_s: float) -> int:
    stop = asyncio.create_task(stopping.wait())
    keepers = [asyncio.create_task(worker.keep()) for worker in workers]
    ended, _ = await asyncio.wait([stop, *keepers], return_when=asyncio.FIRST_COMPLETED)
    failures = [task.exception() for task in ended if task is not stop]
    for failure in failures:
        log.error("%s", failure, exc_info=None if _is_said(failure) else failure)
    log.info("stopping: running calls have %.0f s", grace_s)
    for task in (stop, *keepers):
        task.cancel()
    await asyncio.gather(*(worker.stop(grace_s + STOP_MARGIN_S) for worker in workers))
    return 1 if failures else 0


def _is_said(failure: BaseException | None) -> bool:
    return isinstance(failure, WorkerFailedError)


class Worker:
    """A worker process, and the one that takes its place when it ends."""

    def __init__(
        self, number: int, settings: Settings, address: str, metrics: SummedMetrics
    ) -> None:
        self.name = f"worker {number}"
        self._number = number
        self._metrics = metrics
        self._memory = metrics.memory(number).file
        self._command = ("-P", "-m", "index_service.workers.worker", str(number), str(self._memory))
        share = settings.cache_bytes_max // settings.index_workers_in_use
        self._environment = {
            **os.environ,
            "EVENTINDEX_INDEX_ADDRESS": address,
            "EVENTINDEX_INDEX_WORKERS": "1",
            "EVENTINDEX_CACHE_BYTES_MAX": str(share),
        }
        self._process: Process | None = None
        self._problem = STARTING
        self.pulse = Pulse()
        self._serves = self._has_served = False

    def pid(self) -> int | None:
        """Return the process that runs now, if one does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def starts_again(self) -> bool:
        """Whether it has served and has no port now: no client is led to it."""
        return self._has_served and not self._serves

    def problem(self) -> str | None:
        """Return none when the worker answers lookups, else what is wrong."""
        return self.pulse.problem() or self._problem or None

    async def keep(self) -> None:
        """Run the worker, again and again, until cancelled.

        Raises:
            WorkerFailedError: it ended before it served for the first time.
        """
        while True:
            began = time.monotonic()
            end = await self._live()
            self._metrics.forget_gauges(self._number)
            self._problem, self._serves = end, False
            if not self._has_served:
                raise WorkerFailedError(f"{self.name}: {end}")
            log.error("%s: %s; starting it again", self.name, end)
            await asyncio.sleep(max(0.0, START_INTERVAL_S - (time.monotonic() - began)))

    async def stop(self, limit_s: float) -> None:
        """Let the worker drain; kill it at the limit."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), limit_s)
        except TimeoutError:
            log.warning("%s did not stop in time and is killed", self.name)
            process.kill()
            await process.wait()

    async def _live(self) -> str:
        """Follow a worker from its start to its end, and say why it ended."""
        # In a session of its own Ctrl-C does not reach it: it is drained with the others.
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            env=self._environment,
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=(self._memory,),
            start_new_session=True,
        )
        log.info("%s is process %d", self.name, process.pid)
        self.pulse.beat()
        assert process.stdout is not None  # noqa: S101  # it was asked for as a pipe
        while line := await process.stdout.readline():
            self.pulse.beat()
            self._problem = line.decode(errors="replace").strip()
            self._serves = self._problem != STARTING
            self._has_served |= self._serves
        code = await process.wait()
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return f"process {process.pid} {how}"
