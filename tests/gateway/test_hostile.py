"""What strangers do to the gateway: endless bodies and heads, answers nobody reads, other hosts."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket

import httpx
import psutil
import pytest

from service_kit.settings_gateway import HTTP_HEAD_BYTES_MAX
from tests.support.gateway import API, Stack, gateway
from tests.support.processes import wait_until

MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}
# 1.7 MB.
LARGE_ASSET = "vendor/swagger-ui/swagger-ui-bundle.js"


@pytest.fixture(scope="module")
def door(stack: Stack):
    """A gateway that has nothing else to do, and the client of one stranger."""
    with gateway(stack.url, stack.index.address, stack.ingest.address) as (service, http):
        yield service, http


def connect(service, receive_bytes: int = 0, address: str = "127.0.0.1") -> socket.socket:
    """A connection that sends what a test writes, with a small window where wanted."""
    connection = socket.socket()
    connection.bind((address, 0))
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", service.port))
    return connection


def send_until_refused(connection: socket.socket, pieces, bytes_max: int) -> tuple[int, bytes]:
    """Send until the other side ends it; how much was sent, and the beginning of the answer."""
    sent = 0
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)
            sent += len(piece)
            if sent >= bytes_max:
                break
    with contextlib.suppress(OSError):
        return sent, connection.recv(4096)
    return sent, b""


def test_a_body_without_an_end_is_refused_without_reading_it(door):
    """A body that is no list is at most 64 KiB, however it comes, and the gateway stays small."""
    service, http = door
    memory = psutil.Process(service.pid).memory_info().rss
    for method, path in (("POST", "dead-letters/1/replay"), ("GET", "runs")):
        big = http.request(method, f"{API}/{path}", content=b"0" * 70_000, headers=JSON)
        assert big.status_code == 413, path
    problem = http.post(f"{API}/conflicts/1/resolve", content=b"0" * 70_000, headers=JSON)
    assert problem.json()["type"] == "urn:eventindex:problem:too-large"
    head = b"POST /api/v1/conflicts/1/resolve HTTP/1.1\r\nHost: localhost\r\n"
    chunked = head + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b"0" * 65536 + b"\r\n"
    with connect(service) as stranger:
        pieces = itertools.chain([chunked], itertools.repeat(piece))
        _, answer = send_until_refused(stranger, pieces, 8 * MIB)
    assert answer.startswith(b"HTTP/1.1 413")
    assert psutil.Process(service.pid).memory_info().rss < memory + 32 * MIB


def test_a_head_without_an_end_is_refused(door):
    """Above 64 KiB or 128 headers a head is 431: one long one, many short ones, an address."""
    service, http = door
    begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    endless = {
        "many headers": itertools.chain([begin], itertools.repeat(b"a: b\r\n" * 100)),
        "one header": itertools.chain([begin + b"a: "], itertools.repeat(b"b" * 1000)),
        "an address": itertools.chain([b"GET /"], itertools.repeat(b"b" * 1000)),
    }
    for name, pieces in endless.items():
        with connect(service) as stranger:
            sent, answer = send_until_refused(stranger, pieces, 2 * HTTP_HEAD_BYTES_MAX)
            assert answer.startswith(b"HTTP/1.1 431"), (name, sent)
    fits = {"a": "b" * 60_000, **{f"b{number}": "c" for number in range(100)}}
    assert http.get(f"{API}/runs", headers=fits).status_code == 200


def test_streams_of_one_address_leave_places_to_others(door):
    """One address has 16 event streams at once; the next is 429, calls and others are served."""
    service, http = door
    with contextlib.ExitStack() as opened:
        for _ in range(16):
            follow(opened, service, "127.0.0.1")
        refused = http.get(f"{API}/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.json()["setting"] == "EVENTINDEX_HTTP_REQUESTS_PER_ADDRESS_MAX"
        assert http.get(f"{API}/runs").status_code == 200
        with stranger(service, "127.0.0.9") as other, other.stream("GET", f"{API}/live") as live:
            assert live.status_code == 200


def test_requests_of_one_address_leave_places_to_others(door):
    """One address has 16 requests at once; the next one is 429, which says when to come back."""
    service, http = door
    with contextlib.ExitStack() as opened:
        hold(opened, service, ["127.0.0.1"] * 16)
        refused = http.get("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.json()["setting"] == "EVENTINDEX_HTTP_REQUESTS_PER_ADDRESS_MAX"
        with stranger(service, "127.0.0.9") as other:
            assert other.get(f"{API}/runs").status_code == 200
    wait_until(lambda: http.get("/").status_code == 200, what="places given back")


def test_pages_take_no_places_of_the_api(door):
    """With all 64 places taken the API answers 503, and pages and their files are there."""
    service, http = door
    with contextlib.ExitStack() as opened:
        hold(opened, service, [f"127.0.0.{2 + number % 4}" for number in range(64)])
        busy = http.get(f"{API}/runs")
        assert (busy.status_code, busy.json()["type"]) == (503, "urn:eventindex:problem:busy")
        assert [http.get(path).status_code for path in ("/", "/assets/main.js")] == [200, 200]
    wait_until(lambda: http.get(f"{API}/runs").status_code == 200, what="places given back")


def hold(opened: contextlib.ExitStack, service, addresses: list[str]) -> None:
    """Begin a request from each address, none of which ends before the context."""
    begun = f"POST {API}/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
    for address in addresses:
        waiting = opened.enter_context(connect(service, address=address))
        waiting.sendall(f"{begun}Content-Length: 4\r\n\r\n1".encode())
    held = len(addresses)
    running = "eventindex_http_requests_running"
    wait_until(lambda: service.metric(running) == held, what="requests")


def test_readers_that_read_nothing_leave_the_service_to_others(door):
    """64 readers who ask for large files and take none of it keep nobody from pages or the API."""
    service, http = door
    memory = psutil.Process(service.pid).memory_info().rss
    ask = b"GET /assets/%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % LARGE_ASSET.encode()
    with contextlib.ExitStack() as opened:
        for number in range(64):
            reader = connect(service, 4096, f"127.0.0.{2 + number % 4}")
            opened.enter_context(reader).sendall(ask)
        for _ in range(5):
            assert [http.get(path).status_code for path in ("/", f"{API}/runs")] == [200, 200]
        assert psutil.Process(service.pid).memory_info().rss < memory + 64 * MIB


def stranger(service, address: str) -> httpx.Client:
    """A client at another address of loopback."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=f"http://{service.address}", transport=transport, timeout=30)


def follow(opened: contextlib.ExitStack, service, address: str) -> None:
    """Take a place, and keep it until the end."""
    reader = opened.enter_context(connect(service, address=address))
    reader.sendall(f"GET {API}/live HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert reader.recv(64).startswith(b"HTTP/1.1 200")


def test_an_address_has_some_connections(door):
    """Of one address more than 64 connections are closed at once; others still come in."""
    service, _ = door
    with contextlib.ExitStack() as opened:
        many = [opened.enter_context(connect(service)) for _ in range(70)]
        with stranger(service, "127.0.0.9") as other:
            assert other.get("/").status_code == 200
        # The client of the other tests has one or two.
        closed, _, _ = select.select(many, [], [], 0.5)
        assert len(closed) in {6, 7, 8}


@pytest.mark.parametrize("host", ["rebind.example:8080", "localhost.evil.example", "127.0.0.1@x"])
def test_a_request_for_another_host_is_refused(stack: Stack, door, host):
    """421 wherever a page of another site could have its name pointed, the metrics ports too."""
    service, http = door
    headers = {"Host": host, "Sec-Fetch-Site": "same-origin"}
    for method, path in (
        ("DELETE", f"{API}/dead-letters/1"), ("GET", f"{API}/runs"), ("GET", "/"),
        ("GET", "/assets/main.js"), ("HEAD", "/"), ("GET", f"{API}/nothing"),
    ):  # fmt: skip
        answer = http.request(method, path, headers=headers)
        assert answer.status_code == 421, path
        assert "default-src" in answer.headers["content-security-policy"]
    for metrics in (service.metrics_port, stack.index.metrics_port, stack.ingest.metrics_port):
        for page in ("/metrics", "/healthz", "/readyz", "/nothing"):
            address = f"http://127.0.0.1:{metrics}{page}"
            assert httpx.get(address, headers={"Host": host}).status_code == 421


def test_our_own_hosts_are_let_in(stack: Stack):
    """Names of loopback, those of EVENTINDEX_HTTP_HOSTS, and the address that was reached."""
    hosts = "index.example.org, *.lab.example.org"
    with gateway(stack.url, stack.index.address, http_hosts=hosts) as (service, http):
        for host in (
            "localhost:1",
            "127.0.0.1",
            "[::1]:80",
            "INDEX.example.org.",
            "a.lab.example.org",
        ):
            assert http.get("/", headers={"Host": host}).status_code == 200, host
            metrics = f"http://127.0.0.1:{service.metrics_port}/healthz"
            assert httpx.get(metrics, headers={"Host": host}).status_code == 200, host
        for host in ("lab.example.org", "example.org", "10.1.2.3"):
            assert http.get("/", headers={"Host": host}).status_code == 421, host


def test_a_proxy_says_whose_a_request_is(stack: Stack):
    """Behind a proxy that is named each client has places of its own; others cannot claim one."""
    settings = {"http_proxies": "127.0.0.1", "http_requests_per_address_max": 1}
    with gateway(stack.url, stack.index.address, stack.ingest.address, **settings) as (_, http):

        def followed_by(client: str) -> int:
            headers = {"X-Forwarded-For": client}
            with http.stream("GET", f"{API}/live", headers=headers) as answer:
                return answer.status_code

        with http.stream("GET", f"{API}/live", headers={"X-Forwarded-For": "192.0.2.1"}) as live:
            assert live.status_code == 200
            assert [followed_by("192.0.2.1"), followed_by("192.0.2.2")] == [429, 200]
    with (
        gateway(
            stack.url, stack.index.address, stack.ingest.address, http_requests_per_address_max=1
        ) as (_, http),
        http.stream("GET", f"{API}/live", headers={"X-Forwarded-For": "192.0.2.1"}),
    ):
        claimed = http.get(f"{API}/live", headers={"X-Forwarded-For": "192.0.2.2"})
        assert claimed.status_code == 429
