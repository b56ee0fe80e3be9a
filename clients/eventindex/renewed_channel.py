"""A channel that goes on with the certificates that its files hold by now: nobody starts again.

gRPC reads them once. Here the files are looked at when a call begins, and where they have changed
it goes over a new connection; calls that run end on the one with which they began. A pair that does
not fit together, as there is between two writes, is left alone. Never knows what is called.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from eventindex.file_state import State, file_state

log = logging.getLogger(__name__)

# How often calls look at the files.
LOOKED_AT_S = 1.0


class TlsFiles:
    """The files of a connection as they are; threads may share it."""

    def __init__(self, ca: Path | None, cert: Path | None, key: Path | None) -> None:
        self._ca, self._cert, self._key = ca, cert, key
        self._state = self._look()
        self._looked = time.monotonic()

    def changed(self) -> bool:
        """Return whether the files are others than at the last time, and fit together."""
        now = time.monotonic()
        if now - self._looked < LOOKED_AT_S:
            return False
        self._looked = now
        try:
            state = self._look()
            if state == self._state:
                return False
            self._check()
        except (OSError, ValueError) as error:
            log.warning("%s: the certificate of before stays: %s", self._cert or self._ca, error)
            return False
        # What changes from here on is seen the next time.
        self._state = state
        return True

    def _look(self) -> list[State]:
        return [file_state(path) for path in (self._ca, self._cert, self._key) if path is not None]

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._ca is not None:
            context.load_verify_locations(self._ca)
        if self._cert is not None:
            context.load_cert_chain(self._cert, self._key, password=_no_password)


def _no_password() -> str:
    """Refuse an encrypted key: gRPC cannot read it, and OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted")


class _How(NamedTuple):
    """A call as stubs name it: one of gRPC's four kinds, the method, and what codes messages."""

    kind: str
    method: str
    codecs: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]


class _Opened:
    """A channel, its calls by name, and how many of them run."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.running = 0
        self._calls: dict[_How, Callable[..., Any]] = {}

    def call(self, how: _How) -> Callable[..., Any]:
        """Return what makes a call over this channel."""
        found = self._calls.get(how)
        if found is None:
            made = getattr(self.channel, how.kind)(how.method, *how.codecs, **dict(how.named))
            found = self._calls[how] = made
        return found


class RenewedChannel(grpc.Channel):
    """A channel over TLS; threads may share it."""

    def __init__(self, files: TlsFiles, open_channel: Callable[[], grpc.Channel]) -> None:
        """`open_channel` reads the files."""
        self._files = files
        self._open_channel = open_channel
        self._lock = threading.Lock()
        self._now = _Opened(open_channel())
        self._before: list[_Opened] = []

    def unary_unary(self, method: str, *codecs: Any, **named: Any) -> Any:
        """Return a call that goes over the connection of its time."""
        return partial(self._one, _How("unary_unary", method, codecs, tuple(named.items())))

    def unary_stream(self, method: str, *codecs: Any, **named: Any) -> Any:
        """Do the same."""
        return partial(self._many, _How("unary_stream", method, codecs, tuple(named.items())))

    def stream_unary(self, method: str, *codecs: Any, **named: Any) -> Any:
        """Do the same."""
        return partial(self._one, _How("stream_unary", method, codecs, tuple(named.items())))

    def stream_stream(self, method: str, *codecs: Any, **named: Any) -> Any:
        """Do the same."""
        return partial(self._many, _How("stream_stream", method, codecs, tuple(named.items())))

    def subscribe(self, callback: Callable[..., None], try_to_connect: bool = False) -> None:
        """Follow the state of the present connection."""
        self._now.channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., None]) -> None:
        """Stop following it."""
        self._now.channel.unsubscribe(callback)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            every = [self._now, *self._before]
            self._before = []
        for opened in every:
            opened.channel.close()

    def _one(self, how: _How, *given: Any, **by: Any) -> Any:
        opened = self._enter()
        try:
            return opened.call(how)(*given, **by)
        finally:
            self._leave(opened)

    def _many(self, how: _How, *given: Any, **by: Any) -> Any:
        opened = self._enter()
        leave = partial(self._leave, opened)
        try:
            call = opened.call(how)(*given, **by)
        except BaseException:
            leave()
            raise
        if not call.add_callback(leave):
            leave()
        return call

    def _enter(self) -> _Opened:
        with self._lock:
            if self._files.changed():
                # What was unreadable meanwhile is tried again with the next change.
                with contextlib.suppress(OSError):
                    self._renew()
            self._now.running += 1
            return self._now

    def _renew(self) -> None:
        before, self._now = self._now, _Opened(self._open_channel())
        log.info("a new connection, with the new certificates")
        if before.running:
            self._before.append(before)
        else:
            before.channel.close()

    def _leave(self, opened: _Opened) -> None:
        with self._lock:
            opened.running -= 1
            ended = not opened.running and opened in self._before
            if ended:
                self._before.remove(opened)
        if ended:
            opened.channel.close()
