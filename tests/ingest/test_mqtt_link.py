"""The socket under paho: messages out of the stream, the rest to paho, acknowledgements in bulk."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_service.mqtt.link import Link, MalformedPacketError, Message

PINGRESP = b"\xd0\x00"
# Around 2^14, where the length of a packet takes one byte more.
LONG = st.builds(
    lambda byte, n: byte * n, st.binary(min_size=1, max_size=1), st.integers(16_000, 17_000)
)
MESSAGES = st.builds(
    Message,
    st.binary(min_size=1, max_size=300),
    st.binary(max_size=300) | LONG,
    st.just(1),
    st.integers(1, 65_535),
) | st.builds(Message, st.just(b"t"), st.binary(max_size=3), st.just(0), st.just(0))


class Wire:
    """A connected socket of which the test says what comes in and how much goes out."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.sent = b""
        self.room = 1 << 30

    def recv(self, size: int) -> bytes:
        assert len(self.chunks[0]) <= size
        return self.chunks.pop(0)

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)


def packet(kind: int, body: bytes) -> bytes:
    """Return a packet with its length before it."""
    length, left = b"", len(body)
    while True:
        left, digit = left >> 7, left & 127
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def publish(message: Message, *, is_5: bool, properties: bytes = b"") -> bytes:
    """Return a PUBLISH packet."""
    body = struct.pack(">H", len(message.topic)) + message.topic
    body += struct.pack(">H", message.message_id) if message.qos else b""
    body += bytes([len(properties)]) + properties if is_5 else b""
    flags = message.again << 3 | message.qos << 1 | message.retained
    return packet(0x30 | flags, body + message.payload)


@given(st.data(), st.lists(MESSAGES, max_size=8), st.booleans())
def test_messages_and_the_rest_are_told_apart(data, messages, is_5):
    """However the stream is cut, every message comes out once, in order, and paho gets the rest."""
    stream = b"".join(publish(m, is_5=is_5, properties=b"\x0b\x05") + PINGRESP for m in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    bounds = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    chunks = [stream[first:last] for first, last in bounds if first < last]
    found: list[Message] = []
    wire = Wire(*chunks)
    link = Link(wire, is_5=is_5, on_messages=found.extend)
    for_paho = b""
    while wire.chunks or link.pending():
        try:
            for_paho += link.recv(1)
        except BlockingIOError:
            continue
    assert found == messages
    assert for_paho == PINGRESP * len(messages)


@pytest.mark.parametrize(
    "stream",
    [
        b"\x32\x02\x00\x09",
        b"\x32\x00",
        b"\x32\x03\x00\x01t",
        b"\x32\x06\x00\x01t\x00\x01\x09",
        b"\x32\xff\xff\xff\xff\x01",
    ],
)
def test_malformed_packet_ends_the_connection(stream):
    """A packet that is too short for its own lengths is an error of the connection."""
    link = Link(Wire(stream + PINGRESP), is_5=True, on_messages=lambda _: pytest.fail("a message"))
    with pytest.raises(MalformedPacketError):
        link.recv(1)


def test_end_of_the_stream_is_passed_on():
    """paho sees that the broker has closed."""
    assert Link(Wire(b""), is_5=True, on_messages=lambda _: None).recv(1) == b""


def test_acknowledgements_never_cut_a_packet():
    """What the socket did not take goes first, and a packet of paho's is finished before others."""
    wire = Wire()
    link = Link(wire, is_5=True, on_messages=lambda _: None)
    wire.room = 3
    link.acknowledge([1, 2])
    assert link.wants_write()
    with pytest.raises(BlockingIOError):
        link.send(b"paho")
    wire.room = 7
    assert link.send(b"paho") == 2
    wire.room = 100
    link.acknowledge([3])
    assert link.send(b"ho") == 2
    link.flush()
    assert not link.wants_write()
    assert wire.sent == b"\x40\x02\x00\x01\x40\x02\x00\x02paho\x40\x02\x00\x03"


def test_socket_pair():
    """The same over real sockets."""
    ours, broker = socket.socketpair()
    with ours, broker:
        found: list[Message] = []
        link = Link(ours, is_5=False, on_messages=found.extend)
        link.setblocking(False)
        message = Message(b"t", b"payload", 1, 7)
        broker.sendall(publish(message, is_5=False))
        with pytest.raises(BlockingIOError):
            link.recv(1)
        assert found == [message]
        link.acknowledge([7])
        assert broker.recv(100) == b"\x40\x02\x00\x07"
