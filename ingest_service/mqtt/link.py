"""The socket under paho: takes PUBLISH packets out of what comes in, sends PUBACKs in bulk.

paho reads each packet in three system calls and makes a dozen objects of it, which is most of what
a small message costs. Everything but PUBLISH is left to paho. For one thread.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

_READ_BYTES = 256 * 1024
_PUBLISH, _PUBACK = 3, 0x4002
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Message(NamedTuple):
    """A PUBLISH packet. `message_id` is 0 at QoS 0.

    `retained`: the broker had kept it, and sends it because of a subscription. `again`: it was sent
    before, on this connection or another one (DUP).
    """

    topic: bytes
    payload: bytes
    qos: int
    message_id: int
    retained: bool = False
    again: bool = False


class MalformedPacketError(OSError):
    """What came in is not MQTT; the connection cannot go on."""


class Link:
    """A connected socket, as paho uses one, and beside it messages in and acknowledgements out."""

    def __init__(
        self, raw: socket.socket, *, is_5: bool, on_messages: Callable[[list[Message]], None]
    ) -> None:
        self._raw = raw
        self._is_5 = is_5
        self._on_messages = on_messages
        self._incomplete = bytearray()
        self._needed = 0
        self._for_paho = bytearray()
        self._unsent = b""
        self._inside_of_packet = False
        self.broke: OSError | None = None

    def recv(self, size: int) -> bytes:
        """Return bytes of packets other than PUBLISH; the messages read meanwhile are handed over.

        Raises:
            BlockingIOError: there are none.
            OSError: the connection is broken.
        """
        if not self._for_paho:
            data = self._read()
            if not data:
                return b""
            self._take(data)
        if not self._for_paho:
            raise BlockingIOError
        found = bytes(self._for_paho[:size])
        del self._for_paho[:size]
        return found

    def _read(self) -> bytes:
        try:
            return self._raw.recv(_READ_BYTES)
        except _BLOCKED:
            raise
        except OSError as error:
            self.broke = error
            raise

    def pending(self) -> int:
        """Return bytes that can be read though the socket may have none."""
        inner = self._raw.pending() if isinstance(self._raw, ssl.SSLSocket) else 0
        return len(self._for_paho) + inner

    def send(self, data: bytes) -> int:
        """Send a part of a packet of paho's, behind the acknowledgements before it.

        Raises:
            BlockingIOError: not now.
            OSError: the connection is broken.
        """
        self.flush()
        if self._unsent and not self._inside_of_packet:
            raise BlockingIOError
        sent = self._raw.send(data)
        self._inside_of_packet = sent < len(data)
        return sent

    def acknowledge(self, message_ids: Sequence[int]) -> None:
        """Send a PUBACK for each message id, in order, when the socket takes it."""
        words = [word for message_id in message_ids for word in (_PUBACK, message_id)]
        self._unsent += struct.pack(f">{len(words)}H", *words)
        self.flush()

    def flush(self) -> None:
        """Send the acknowledgements that can be sent now."""
        try:
            while self._unsent and not self._inside_of_packet:
                self._unsent = self._unsent[self._raw.send(self._unsent) :]
        except _BLOCKED:
            return

    def wants_write(self) -> bool:
        """Return whether acknowledgements wait for the socket."""
        return bool(self._unsent)

    def setblocking(self, flag: bool) -> None:
        """Delegate to the socket."""
        self._raw.setblocking(flag)

    def fileno(self) -> int:
        """Delegate to the socket."""
        return self._raw.fileno()

    def shutdown(self, how: int) -> None:
        """Delegate to the socket."""
        self._raw.shutdown(how)

    def close(self) -> None:
        """Delegate to the socket."""
        self._raw.close()

    def _take(self, data: bytes) -> None:
        if self._incomplete:
            self._incomplete += data
            if len(self._incomplete) < self._needed:
                return
            data = bytes(self._incomplete)
            self._incomplete.clear()
        messages: list[Message] = []
        end = self._split(data, messages)
        self._incomplete += data[end:]
        if messages:
            self._on_messages(messages)

    def _split(self, data: bytes, messages: list[Message]) -> int:
        """Sort out whole packets; where the first incomplete one begins."""
        at, self._needed = 0, 2
        while at + 2 <= len(data):
            length, body = data[at + 1], at + 2
            if length & 0x80:
                found = variable_length(data, at + 1)
                if found is None:
                    break
                length, body = found
            end = body + length
            if end > len(data):
                self._needed = end - at
                break
            if data[at] >> 4 == _PUBLISH:
                messages.append(self._message(data, at, body, end))
            else:
                self._for_paho += data[at:end]
            at = end
        return at

    def _message(self, data: bytes, at: int, body: int, end: int) -> Message:
        qos = data[at] >> 1 & 3
        try:
            start = body + 2
            topic = data[start : (start := start + (data[body] << 8 | data[body + 1]))]
            message_id = 0
            if qos:
                message_id = data[start] << 8 | data[start + 1]
                start += 2
            if self._is_5:
                properties, start = variable_length(data, start) or (end, end)
                start += properties
        except IndexError:
            start = end + 1
        if start > end:
            raise MalformedPacketError("a PUBLISH packet is too short for what it holds")
        flags = data[at]
        return Message(topic, data[start:end], qos, message_id, bool(flags & 1), bool(flags & 8))


def variable_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Return a variable byte integer and the index after it, None where `data` ends inside of it.

    Raises:
        MalformedPacketError: it has more than four bytes.
    """
    value = 0
    for index, digit in enumerate(data[at : at + 4]):
        value |= (digit & 0x7F) << 7 * index
        if digit < 0x80:
            return value, at + index + 1
    if at + 4 <= len(data):
        raise MalformedPacketError("a length has more than four bytes")
    return None
