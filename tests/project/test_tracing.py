"""Spans: what a collector of OpenTelemetry is sent."""

from __future__ import annotations

import gzip
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.ingest import FUID
from tests.support.processes import Service, run_python, wait_until

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP, and keeps the spans with their service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                request = ExportTraceServiceRequest.FromString(
                    gzip.decompress(body) if packed else body
                )
                for one in request.resource_spans:
                    about = {a.key: a.value.string_value for a in one.resource.attributes}
                    for scope in one.scope_spans:
                        spans.extend((about["service.name"], span) for span in scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def named(self, service: str, name: str, trace: str = "") -> Span | None:
        """The last span of that name, of that trace."""
        found = [span for of, span in self.spans if (of, span.name) == (service, name)]
        found = [span for span in found if trace in span.trace_id.hex()]
        return found[-1] if found else None


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens on this machine."""
    started = Collector()
    yield started
    started.close()


@pytest.mark.slow
def test_a_trace_goes_from_a_request_to_the_index(collector: Collector, database_url: str) -> None:
    """The caller's span is above the gateway's, that above the index's, that above its batches."""
    sent = {"traces_url": collector.url, "database_url": database_url}
    with ExitStack() as end:

        def start(module: str, **more: object) -> Service:
            service = Service(module, **sent, **more)
            end.callback(service.close)
            return service.start()

        index = start("index_service", index_workers=2)
        ingest = start("ingest_service")
        gateway = start("rest_gateway", index_address=index.address, ingest_address=ingest.address)
        with eventindex.connect(ingest_address=ingest.address) as client:
            columns = EventColumns([RawFile(FUID, 4)], 5, np.arange(9), np.ones(9, int))
            assert [ack.inserted for ack in client.ingest([columns])] == [9]
        url = f"http://{gateway.address}/api/v1/lookup"
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "content-type": "text/plain"}
        asked = urllib.request.Request(url, data=b"5 1\n5 70\n", headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            answer.read()
        for service in (gateway, index, ingest):
            assert service.terminate() == 0, service.tail()  # it sends what it still has
    request = collector.named("rest_gateway", "POST /api/v1/lookup", TRACE)
    call = wait_until(lambda: collector.named("index_service", "LookupStream", TRACE), what="call")
    batch = collector.named("index_service", "batch", TRACE)
    assert request.parent_span_id.hex() == CALLER
    assert call.parent_span_id == request.span_id
    assert batch.parent_span_id == call.span_id
    assert batch.end_time_unix_nano > batch.start_time_unix_nano
    ids = {a.value.string_value for a in call.attributes if a.key == "request_id"}
    assert ids == {TRACE}
    # That rest_gateway asks by itself whether the index answers is in no trace.
    assert {span.trace_id.hex() for of, span in collector.spans if of == "index_service"} == {TRACE}
    stream = collector.named("ingest_service", "Ingest")
    commit = collector.named("ingest_service", "commit")
    assert [link.span_id for link in commit.links] == [stream.span_id]


@pytest.mark.parametrize(
    ("url", "before", "said"),
    [
        ("http://127.0.0.1:4318/v1/traces", "sys.modules['opentelemetry.sdk'] = None", "[tracing]"),
        ("http://otel.example.org/v1/traces", "", "https://… is needed"),
        ("127.0.0.1:4318", "", "https://… is needed"),
    ],
)
def test_what_sends_no_spans_is_said_at_the_start(url: str, before: str, said: str) -> None:
    """Nobody waits for traces that never come."""
    program = f"import sys, runpy\n{before}\nrunpy.run_module('index_service', run_name='__main__')"
    ended = run_python(
        program,
        EVENTINDEX_TRACES_URL=url,
        EVENTINDEX_INDEX_WORKERS="1",
        EVENTINDEX_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x",
    )
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
