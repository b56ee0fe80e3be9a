"""Spans by OpenTelemetry, where EVENTINDEX_TRACES_URL says who collects them; otherwise nothing.

A call is a span below its caller's, a batch of a stream one below its call, a commit one with links
to the calls whose events it stored. Never decides anything, and never waits for who collects.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from urllib.parse import urlsplit

with suppress(ImportError):  # the extra `tracing`
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service_kit import calls
from service_kit.errors import WrongSettingError
from service_kit.outgoing import LEAVE, is_here
from service_kit.settings import Settings

# A commit has links to so many calls, the first ones.
_LINKS_MAX = 100
_SENT_S_MAX = 5

_tracer: trace.Tracer | None = None


def set_up(settings: Settings, service: str) -> None:
    """Let a thread of this process send spans, where the settings say to whom.

    Raises:
        WrongSettingError: to another machine in clear, or nothing that makes spans is installed.
    """
    global _tracer  # noqa: PLW0603  # as the log it is the process'
    url = settings.traces_url
    if not url:
        return
    if "BatchSpanProcessor" not in globals():
        raise WrongSettingError("EVENTINDEX_TRACES_URL: pip install 'eventindex[tracing]' first")
    parts = urlsplit(url)
    in_clear = settings.allow_plaintext or is_here(parts.hostname or "another")
    if parts.scheme not in ({"http", "https"} if in_clear else {"https"}):
        raise WrongSettingError(f"EVENTINDEX_TRACES_URL: https://… is needed, {LEAVE}")
    name, _, worker = service.partition(" worker ")
    which = {"service.name": name, "service.instance.id": worker}
    resource = Resource.create({**which, "service.version": version("eventindex")})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=url, timeout=_SENT_S_MAX)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("eventindex")


class CallSpan:
    """The span of the current call, to which its calls of other services then belong."""

    def __init__(self, name: str) -> None:
        """Begin it, below the caller's where that one sent a traceparent."""
        self._span: trace.Span | None = None
        if _tracer is not None:
            about = {"request_id": calls.request_id()}
            self._span = _tracer.start_span(
                name, _context(calls.traceparent()), trace.SpanKind.SERVER, about
            )
            carrier: dict[str, str] = {}
            context = trace.set_span_in_context(self._span, Context())
            TraceContextTextMapPropagator().inject(carrier, context)
            calls.set_traceparent(carrier[calls.TRACEPARENT])

    def end(self, name: str, *, failed: bool, **attributes: str | float) -> None:
        """End it; what it is called may be known only now."""
        if self._span is None:
            return
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


def note(name: str, seconds: float, calls_of: Iterable[str] = (), **attributes: float) -> None:
    """Make the span of what has just ended, below the current call.

    `calls_of`: the traceparents of the calls that it was for, "" of those that had none.
    """
    if _tracer is None:
        return
    ended = time.time_ns()
    distinct = list(dict.fromkeys(filter(None, calls_of)))[:_LINKS_MAX]
    links = [
        trace.Link(trace.get_current_span(_context(one)).get_span_context()) for one in distinct
    ]
    parent, began = _context(calls.traceparent()), ended - int(seconds * 1e9)
    span = _tracer.start_span(name, parent, attributes=attributes, links=links, start_time=began)
    span.end(ended)


def _context(traceparent: str) -> Context:
    """Return the context that a traceparent names; "" names none."""
    return TraceContextTextMapPropagator().extract({calls.TRACEPARENT: traceparent}, Context())
