"""A TCP proxy between two processes that can cut, stall and slow down what passes.

Knows one thing of a protocol: what PostgreSQL's COMMIT looks like on the wire.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

_CHUNK_BYTES = 1 << 16
# A simple query of libpq: 'Q', the length of what follows, the text, NUL.
_COMMIT = b"Q\0\0\0\x0bCOMMIT\0"


class Commit(Enum):
    """Where a link is cut at the next COMMIT."""

    BEFORE = auto()  # the server never sees it
    AFTER = auto()  # the server has done it, and its answer does not arrive


class Proxy:
    """Listens on `port` and passes on to `target`, another port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._refusing = False
        self.accepted = 0
        self.up_stalled = threading.Event()
        self.down_stalled = threading.Event()
        self.bytes_per_s: float | None = None
        self._commit: Commit | None = None
        self._then: Callable[[], object] = lambda: None
        self.commit_seen = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, stay: bool = False) -> None:
        """End every connection; refuse new ones until `heal` when `stay`."""
        self._refusing = stay
        for link in self._open_links():
            link.close()

    def stall(self, *, up: bool = True, down: bool = True) -> None:
        """Go on to accept and to take in, and pass nothing on in these directions."""
        if up:
            self.up_stalled.set()
        if down:
            self.down_stalled.set()

    def cut_at_commit(self, where: Commit, then: Callable[[], object] = lambda: None) -> None:
        """Cut the link of the next COMMIT, call `then`, and set `commit_seen`."""
        with self._lock:
            self.commit_seen.clear()
            self._commit, self._then = where, then

    def heal(self) -> None:
        """Pass everything on again; what was swallowed is gone, so old connections are cut."""
        stalled = self.up_stalled.is_set() or self.down_stalled.is_set()
        self._refusing = False
        self.bytes_per_s = None
        with self._lock:
            self._commit = None
        self.up_stalled.clear()
        self.down_stalled.clear()
        if stalled:
            self.cut()

    def close(self) -> None:
        """Stop listening, and end every connection."""
        # A thread that waits in accept() keeps the port open after close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _open_links(self) -> list[_Link]:
        with self._lock:
            return list(self._links)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()

    def forget(self, link: _Link) -> None:
        """A connection has ended."""
        with self._lock:
            self._links.discard(link)

    def wants_cut(self, data: bytes) -> Commit | None:
        """Whether this is the COMMIT to cut at; says so once."""
        if self._commit is None or _COMMIT not in data:
            return None
        with self._lock:
            found, self._commit = self._commit, None
            return found

    def was_cut(self) -> None:
        """A link ends at its COMMIT: do what goes with it."""
        self._then()
        self.commit_seen.set()


class _Link:
    """A connection through the proxy: two threads that copy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._swallow_answer = False

    def start(self) -> None:
        """Begin to copy."""
        threading.Thread(target=self._copy_up, daemon=True).start()
        threading.Thread(target=self._copy_down, daemon=True).start()

    def close(self) -> None:
        """End both sides at once."""
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
        self._proxy.forget(self)

    def _copy_up(self) -> None:
        try:
            while data := self._client.recv(_CHUNK_BYTES):
                if self._proxy.up_stalled.is_set():
                    continue
                cut = self._proxy.wants_cut(data)
                if cut is Commit.BEFORE:
                    self._proxy.was_cut()
                    break
                self._swallow_answer |= cut is Commit.AFTER
                self._pass_on(self._server, data)
        except OSError:
            pass
        finally:
            self.close()

    def _copy_down(self) -> None:
        try:
            while data := self._server.recv(_CHUNK_BYTES):
                if self._proxy.down_stalled.is_set():
                    continue
                # The server speaks after a COMMIT only when it is done.
                if self._swallow_answer:
                    self._proxy.was_cut()
                    break
                self._pass_on(self._client, data)
        except OSError:
            pass
        finally:
            self.close()

    def _pass_on(self, side: socket.socket, data: bytes) -> None:
        rate = self._proxy.bytes_per_s
        if rate is not None:
            time.sleep(len(data) / rate)
        side.sendall(data)
