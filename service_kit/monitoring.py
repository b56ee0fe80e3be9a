"""The HTTP side port of a service: /metrics, /healthz and /readyz.

Liveness says that the process makes progress, readiness that it can do its work; both answer 200
or 503 with one line a check. Never does the service's own work.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from service_kit.grpc_server import PortTakenError
from service_kit.hosts import NOT_OURS, OurHosts
from service_kit.settings import split_address

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

# A check returns None when all is well, or one line that says what is wrong.
Check = Callable[[], str | None]
_Write = Callable[[bytes], object]


# A scrape takes some milliseconds. Who opens more connections, or holds one longer, is no scraper.
_CONNECTIONS_MAX = 32
_CONNECTION_S_MAX = 30.0
_SILENCE_S_MAX = 10.0
_REACHED = "eventindex.reached"


class Remark(str):
    """What a check says where all is well nevertheless."""

    __slots__ = ()


class _QuietHandler(WSGIRequestHandler):
    """Requests of probes are not worth a log line."""

    timeout = _SILENCE_S_MAX

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def get_environ(self) -> dict[str, Any]:
        """Add the address of this machine that the connection came to."""
        return {**super().get_environ(), _REACHED: self.connection.getsockname()[0]}


class _Server(ThreadingWSGIServer):
    """One thread a request: a slow scrape does not hold a probe."""

    daemon_threads = True
    # Of 5, the usual one, some hurried clients make a probe wait for seconds.
    request_queue_size = 128

    def __init__(self, *args: Any, **more: Any) -> None:
        # Since when, in a list of one; infinite for one that is cut.
        self._began: dict[socket.socket, list[float]] = {}
        super().__init__(*args, **more)

    def verify_request(self, *_: Any) -> bool:
        """Make room for one connection too many: the one that has lasted longest ends.

        Who opens many and says nothing must not keep a probe out, which would end the service.
        """
        lasting = {one: at for one, (at,) in list(self._began.items()) if at < math.inf}
        if len(lasting) >= _CONNECTIONS_MAX:
            self._cut(min(lasting, key=lasting.__getitem__))
        return len(self._began) < 2 * _CONNECTIONS_MAX

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note when a connection began."""
        self._began[request] = [time.monotonic()]
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        self._began.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut what takes too long; its thread then ends."""
        latest = time.monotonic() - _CONNECTION_S_MAX
        for request, (began,) in list(self._began.items()):
            if began < latest:
                self._cut(request)

    def _cut(self, request: socket.socket) -> None:
        # Its thread may have forgotten it meanwhile.
        self._began.get(request, [0.0])[0] = math.inf
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, _: Any, client_address: Any) -> None:
        """Say nothing of clients that went away or said nothing."""
        log.debug("a request from %s failed", client_address, exc_info=True)


class _Server6(_Server):
    """The same on IPv6."""

    address_family = socket.AF_INET6


class MonitoringServer:
    """Serves the three pages from a thread of its own until closed.

    Raises:
        PortTakenError: the address is taken or cannot be bound here.
    """

    def __init__(
        self,
        address: str,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        registry: CollectorRegistry = REGISTRY,
        hosts: Iterable[str] = (),
    ) -> None:
        host, port = split_address(address)
        ours = OurHosts((*hosts, host))
        metrics: WSGIApplication = make_wsgi_app(registry)
        checks = {"/healthz": live, "/readyz": ready}

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "/")
            ours_is_meant = ours.include(environ.get("HTTP_HOST"), environ.get(_REACHED))
            if path == "/metrics" and ours_is_meant:
                return metrics(environ, start_response)
            if not ours_is_meant:
                status, body = "421 Misdirected Request", f"{NOT_OURS}\n"
            elif path in checks:
                status, body = _run_checks(checks[path])
            else:
                status, body = "404 Not Found", "/metrics, /healthz or /readyz\n"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [body.encode()]

        def app_with_head(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            """Answer HEAD with the headers of GET."""
            if environ["REQUEST_METHOD"] != "HEAD":
                return app(environ, start_response)
            started: list[Any] = []

            def note(status: str, headers: list[tuple[str, str]], _: object = None, /) -> _Write:
                started.extend((status, headers))
                return lambda _: None

            body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, note))
            status, headers = started
            start_response(status, [*headers, ("Content-Length", str(len(body)))])
            return []

        kind = _Server6 if ":" in host else _Server
        try:
            self._server = make_server(host, port, app_with_head, kind, _QuietHandler)
        except OSError as error:
            raise PortTakenError.of(address, error) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="monitoring", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The bound port: the one asked for, or a free one if that was 0."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MonitoringServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _run_checks(checks: Mapping[str, Check]) -> tuple[str, str]:
    results = {name: check() for name, check in checks.items()}
    ok = all(problem is None or isinstance(problem, Remark) for problem in results.values())
    lines = [f"{name}: {problem or 'ok'}\n" for name, problem in results.items()]
    return ("200 OK" if ok else "503 Service Unavailable"), "".join(lines)
