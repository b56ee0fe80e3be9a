"""The network thread of one connection: lets paho read and write, sends acknowledgements in bulk.

paho's own thread sends each acknowledgement in a system call of its own. Never calls back while it
holds a lock.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ingest_service.mqtt.link import Link

log = logging.getLogger(__name__)

_POLL_S = 1.0
_JOIN_S = 2.0
_SUCCESS = MQTTErrorCode.MQTT_ERR_SUCCESS


class NetworkThread:
    """Serves a client whose socket is a `Link`, from its connect to its end."""

    def __init__(self, client: Client, on_end: Callable[[], None]) -> None:
        self._client = client
        self._on_end = on_end
        self._acks: deque[int] = deque()
        self._paused = False
        self._woken = False
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        client.on_socket_register_write = lambda *_: self.wake()
        self._thread = threading.Thread(target=self._run, name="mqtt-network", daemon=True)

    def start(self) -> None:
        """Start, once the client has a socket."""
        self._thread.start()

    def ack(self, message_id: int) -> None:
        """Send an acknowledgement soon; they go out in the order of these calls."""
        self._acks.append(message_id)
        self.wake()

    def pause(self) -> None:
        """Read nothing: TCP holds the broker back, while acknowledgements still go out.

        paho ends a connection that hears nothing for two keep-alive intervals.
        """
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self.wake()

    def wake(self) -> None:
        """Let the thread look for work."""
        if self._woken:
            return
        self._woken = True
        try:
            self._wake_out.send(b"\0")
        except OSError as error:
            log.debug("the network thread cannot be woken: %s", error)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the thread, whatever the broker says."""
        if self._thread.ident is not None and not self.wait_for_end(_JOIN_S):
            link: Any = self._client.socket()
            if link is not None:
                _shut(link)
            self.wait_for_end(_JOIN_S)
        if not self._thread.is_alive():
            self._wake_in.close()
            self._wake_out.close()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except OSError as error:
            log.info("the connection broke: %s", error)
        except Exception:
            log.exception("the connection ends; the broker will send its messages again")
        finally:
            link: Any = self._client.socket()
            if link is not None:
                link.close()
            self._on_end()

    def _turn(self) -> bool:
        """Wait for something to read or write and do it; whether the connection lives."""
        client = self._client
        link: Any = client.socket()
        if link is None:
            return False
        in_memory = not self._paused and link.pending() > 0
        readable, _, _ = select.select(
            [self._wake_in] if self._paused else [self._wake_in, link],
            [link] if client.want_write() or link.wants_write() else [],
            [],
            0.0 if in_memory else _POLL_S,
        )
        if (in_memory or link in readable) and client.loop_read() != _SUCCESS:
            return False
        if self._wake_in in readable:
            self._wake_in.recv(4096)
            # Clear first, then look for work: work that arrives later wakes the thread again.
            self._woken = False
        if client.socket() is None:
            return False
        # Acknowledgements go before what paho sends: a SUBSCRIBE or DISCONNECT follows them.
        self._send_acks(link)
        if client.want_write() and client.loop_write() != _SUCCESS:
            return False
        return client.loop_misc() == _SUCCESS

    def _send_acks(self, link: Link) -> None:
        link.flush()
        if self._acks:
            link.acknowledge([self._acks.popleft() for _ in range(len(self._acks))])


def _shut(link: Link) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("shutdown failed: %s", error)
