"""Services that start at once: forks of a process that has imported what the service needs.

Importing takes a second of CPU, and the tests start services some hundred times. Only the import is
shared: settings, arguments, directory, log, session and exit code are each process's own.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

_POLL_S = 0.02


class Fork:
    """A process of a service, with those methods of Popen that the tests use."""

    def __init__(self, parent: WarmParent, pid: int) -> None:
        self._parent, self.pid = parent, pid

    @property
    def returncode(self) -> int | None:
        """The exit code, less than 0 for a signal; None while it runs."""
        return self._parent.codes.get(self.pid)

    def poll(self) -> int | None:
        """The exit code if it has ended."""
        self._parent.read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class WarmParent:
    """The process that forks those of one service, and reaps them."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm_start", str(theirs.fileno()), module],
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours
        self._unread = b""
        self._lock = threading.Lock()
        self._started: int | None = None
        self.codes: dict[int, int] = {}
        atexit.register(self.close)

    def start(self, arguments: list[str], environment: dict[str, str], **where: str) -> Fork:
        """Fork a service; `where` is its directory and its log."""
        order = {"arguments": arguments, "environment": environment, **where}
        with self._lock:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            self._started = None
            while self._started is None:
                self._take()
            return Fork(self, self._started)

    def read(self) -> None:
        """Take note of the processes that have ended."""
        with self._lock:
            while select.select([self._socket], [], [], 0)[0]:
                self._take()

    def _take(self) -> None:
        """A pid for one that was started, a pid and a code for one that has ended."""
        received = self._socket.recv(4096)
        if not received:
            raise RuntimeError("the process that starts the services has ended")
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            pid, *code = json.loads(line)
            if code:
                self.codes[pid] = code[0]
            else:
                self.codes.pop(pid, None)
                self._started = pid

    def close(self) -> None:
        """End it, and with it what is left of its forks."""
        self._socket.close()
        self._process.wait()


_parents: dict[str, WarmParent] = {}


def start(module: str, arguments: list[str], environment: dict[str, str], **where: str) -> Fork:
    """Start a service of this project."""
    if module not in _parents:
        _parents[module] = WarmParent(module)
    return _parents[module].start(arguments, environment, **where)


def _fork_on_demand(channel: socket.socket) -> dict | None:
    """Return an order in each fork, None in this process when nobody gives orders any more."""
    orders, forks = channel.makefile("r"), set()
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready = select.select([channel, woken], [], [])[0]
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                woken.recv(4096)
            while forks and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                forks.discard(ended[0])
                code = os.waitstatus_to_exitcode(ended[1])
                channel.sendall(f"[{ended[0]}, {code}]\n".encode())
        if channel in ready:
            line = orders.readline()
            if not line:
                for pid in forks:
                    os.kill(pid, signal.SIGKILL)
                return None
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (woken, wakes, orders, channel):
                    each.close()
                return json.loads(line)
            forks.add(pid)
            channel.sendall(f"[{pid}]\n".encode())


def _become(order: dict) -> None:
    """Take over what makes a process its own."""
    os.setsid()
    os.chdir(order["directory"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["environment"])


def main() -> None:
    """Import a service, then fork it as often as asked."""
    number, module = int(sys.argv[1]), sys.argv[2]
    importlib.import_module(f"{module}.service")
    order = _fork_on_demand(socket.socket(fileno=number))
    if order is not None:
        _become(order)
        sys.argv = [module, *order["arguments"]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
