"""The processes of the stack: start, watch, stop in order, and find those of a killed stack.

Each child leads a session of its own, so that Ctrl-C reaches `eventindex up` alone and the
children are drained in order. Never knows what a child does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

import psutil

from local_stack.account import Account
from local_stack.data_dir import DataDir, write_json
from local_stack.errors import ChildDiedError, StackError, StopRequestedError

_TAIL_LINES = 15
_TAIL_BYTES_MAX = 16 * 1024
_POLL_S = 0.05
# Two readings of the start time of the same process differ by less than this, seconds.
_SAME_START_S = 1.0
_CHILD_ENDED = b"\0"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one child.

    Children are stopped by descending `stage`; those of one stage together.
    """

    name: str
    command: tuple[str, ...]
    stage: int
    account: Account
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Child:
    """A running child and its log."""

    def __init__(self, spec: ChildSpec, log: Path, ended: Callable[[Child], None]) -> None:
        self.spec = spec
        self.log = log
        if log.exists():
            log.replace(f"{log}.1")
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # commands of our own
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(spec.environment),
                cwd=spec.directory,
                start_new_session=True,
                **spec.account.identity(),
            )
        self.pid = self._process.pid
        self._watcher = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        self._watcher.start()

    def _watch(self, ended: Callable[[Child], None]) -> None:
        self._process.wait()
        ended(self)

    def signal(self) -> None:
        """Ask the child to stop."""
        self._process.send_signal(self.spec.stop_signal)

    def finish(self, limit_s: float) -> bool:
        """Wait for the child to end; kill it at the limit. Returns whether it ended by itself."""
        self._watcher.join(limit_s)
        in_time = not self._watcher.is_alive()
        if not in_time:
            self._process.kill()
            self._watcher.join()
        return in_time

    def obituary(self) -> str:
        """Return how the child ended, with the last lines of its log."""
        code = self._process.returncode
        how = (
            f"was ended by {signal.Signals(-code).name}"
            if code is not None and code < 0
            else f"ended with exit code {code}"
        )
        return f"{self.spec.name} {how}; {self.last_lines()}"

    def last_lines(self) -> str:
        """Return the end of the log, for an error text."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES_MAX))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n  ".join([f"its log {self.log} ends:", *(lines or ["(nothing)"])])


class Family:
    """All children of one stack. Signals and deaths are noticed wherever the stack waits."""

    def __init__(self, data: DataDir, *, grace_s: float) -> None:
        self._data = data
        self._grace_s = grace_s
        self._children: list[Child] = []
        self._ended: SimpleQueue[Child] = SimpleQueue()
        # Signals and ended children arrive as bytes on a socket: a signal taken by another thread,
        # or just before the main thread sleeps, would not end a wait on a lock.
        self._inbox, self._outbox = socket.socketpair()
        self._outbox.setblocking(False)

    def start(self, spec: ChildSpec) -> Child:
        """Run a child and write it into the record.

        Raises:
            StackError: its program cannot be run.
        """
        try:
            child = Child(spec, self._data.logs / f"{spec.name}.log", self._notice_end)
        except OSError as error:
            raise StackError(f"cannot run {spec.command[0]}: {error.strerror}") from error
        self._children.append(child)
        write_json(self._data.children, [_record_entry(c) for c in self._children])
        return child

    def pids(self) -> dict[str, int]:
        """Return process ids by name."""
        return {child.spec.name: child.pid for child in self._children}

    def _notice_end(self, child: Child) -> None:
        self._ended.put(child)
        self._outbox.send(_CHILD_ENDED)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until something happens or the time is over.

        Raises:
            StopRequestedError: a signal asked for it.
            ChildDiedError: a child ended.
        """
        if not select.select([self._inbox], [], [], timeout_s)[0]:
            return
        notice = self._inbox.recv(1)
        if notice == _CHILD_ENDED:
            raise ChildDiedError(self._ended.get().obituary())
        raise StopRequestedError(signal.Signals(notice[0]).name)

    def wait_until_ready(
        self, child: Child, problem: Callable[[], str | None], *, limit_s: float
    ) -> None:
        """Poll until `problem` returns None.

        Raises:
            StackError: still a problem at the limit.
            StopRequestedError, ChildDiedError: as `wait`.
        """
        for _ in range(int(limit_s / _POLL_S)):
            last = problem()
            if last is None:
                return
            self.wait(_POLL_S)
        raise StackError(
            f"{child.spec.name} is not ready after {limit_s:g} s: {last}; {child.last_lines()}"
        )

    def stop(self) -> list[str]:
        """Stop all children, last stage first. Returns the names of those that had to be killed."""
        killed = []
        for _, stage in groupby(reversed(self._children), key=lambda child: child.spec.stage):
            members = list(stage)
            for child in members:
                child.signal()
            killed += [c.spec.name for c in members if not c.finish(self._grace_s)]
        self._data.children.unlink(missing_ok=True)
        return killed

    @contextlib.contextmanager
    def signals_noticed(self) -> Iterator[None]:
        """Let SIGINT, SIGTERM and SIGHUP end the waiting with StopRequestedError while entered."""
        # The interpreter writes the signal's number to the socket; the handler itself does nothing.
        fd_before = signal.set_wakeup_fd(self._outbox.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(fd_before)
            self._inbox.close()
            self._outbox.close()


def stop_leftovers(data: DataDir, *, grace_s: float) -> list[str]:
    """Stop the children of a stack that was killed. Returns their names.

    A process id alone may belong to another program by now: the start time must agree too.
    """
    try:
        entries = json.loads(data.children.read_text())
    except (FileNotFoundError, ValueError):
        return []
    stopped = []
    for entry in reversed(entries):
        process = _same_process(entry["pid"], entry["started"])
        if process is not None:
            stop_process(process, signal.Signals(entry["stop_signal"]), grace_s=grace_s)
            stopped.append(str(entry["name"]))
    data.children.unlink(missing_ok=True)
    return stopped


def stop_process(process: psutil.Process, number: signal.Signals, *, grace_s: float) -> None:
    """Ask a process to stop and wait; kill it when the time is over."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
        if not wait_for_end(process, limit_s=grace_s):
            process.kill()
            wait_for_end(process, limit_s=grace_s)


def wait_for_end(process: psutil.Process, *, limit_s: float) -> bool:
    """Wait for a process that is not a child of this one; returns whether it ended.

    A zombie has ended: in a container nobody may collect it.
    """
    for _ in range(int(limit_s / _POLL_S)):
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(_POLL_S)
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
    return False


def _record_entry(child: Child) -> dict[str, object]:
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        started = 0.0
    return {
        "name": child.spec.name,
        "pid": child.pid,
        "started": started,
        "stop_signal": int(child.spec.stop_signal),
    }


def _same_process(pid: int, started: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _SAME_START_S
    except psutil.NoSuchProcess:
        return None
    return process if same and process.status() != psutil.STATUS_ZOMBIE else None
