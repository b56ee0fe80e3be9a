"""The application: routes, what stands before them, and errors as problem documents.

The API and the pages stand behind the same security headers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from event_store.errors import StoreError, StoreUnavailableError
from eventindex.errors import EventIndexError
from eventindex.told import told
from rest_gateway import problems
from rest_gateway.calls import (
    catalogue,
    collections,
    conflicts,
    cosmic,
    dead_letters,
    events,
    files,
    gaps,
    in_time,
    jobs,
    live,
    lookup,
)
from rest_gateway.head import HeadMiddleware
from rest_gateway.limits import TOO_LARGE, LimitMiddleware
from rest_gateway.metrics import Metrics
from rest_gateway.observing import ObserveMiddleware
from rest_gateway.openapi import document
from rest_gateway.parts import API_PREFIX, Parts
from rest_gateway.problems import JsonLine, Problem
from rest_gateway.security import SecurityMiddleware, may_look_up, refuse_other_sites
from rest_gateway.web import pages
from rest_gateway.wrong_fields import wrong_fields
from service_kit.hosts import OurHosts
from service_kit.settings import split_address
from service_kit.settings_gateway import HTTP_BODY_BYTES_MAX

log = logging.getLogger(__name__)

_GZIP_BYTES_MIN = 1024
_KINDS = {404: "not-found", 405: "method-not-allowed", 408: "timeout"}
# 20 MB/s on a slow core; higher levels gain little on numbers and file ids.
_GZIP_LEVEL = 1


_CALLS = (
    lookup,
    events,
    catalogue,
    files,
    collections,
    gaps,
    in_time,
    cosmic,
    live,
    jobs,
    conflicts,
    dead_letters,
)


def make_app(parts: Parts, observer: Metrics) -> FastAPI:
    """Return the application with its parts."""
    app = FastAPI(
        title="EventIndex",
        version="1",
        summary="Which RAW file holds event E of run R?",
        description=document.DESCRIPTION,
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        default_response_class=JsonLine,
        separate_input_output_schemas=False,
    )
    app.state.parts = parts
    app.include_router(_api())
    app.include_router(pages.router)
    app.mount("/assets", pages.Assets(), "assets")
    observer.show_zeros(_routes())
    app.openapi = lambda: document.document(app)  # type: ignore[method-assign]  # FastAPI's way
    _add_error_handlers(app)
    app.add_middleware(GZipMiddleware, _GZIP_BYTES_MIN, _GZIP_LEVEL)
    settings = parts.settings
    host, _ = split_address(settings.http_address)
    app.add_middleware(SecurityMiddleware, OurHosts((*settings.our_hosts, host)))
    app.add_middleware(
        LimitMiddleware,
        requests_max=settings.http_requests_at_once_max,
        followers_max=settings.http_followers_max,
        per_address_max=settings.http_requests_per_address_max,
    )
    app.add_middleware(ObserveMiddleware, observer=observer, slow_call_s=settings.slow_call_s)
    app.add_middleware(HeadMiddleware)
    return app


def _api() -> APIRouter:
    """Return all calls of the REST API."""
    api = APIRouter(
        prefix=API_PREFIX,
        dependencies=[Depends(refuse_other_sites), Depends(may_look_up)],
        # Here: the refusal of the whole application's would pass our middleware by.
        max_body_size=HTTP_BODY_BYTES_MAX,
    )
    for module in _CALLS:
        api.include_router(module.router)
    return api


def _routes() -> Iterator[tuple[str, str]]:
    """Yield method and path of every call of the REST API."""
    for module in _CALLS:
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                yield from ((method, API_PREFIX + route.path) for method in route.methods or ())


def _add_error_handlers(app: FastAPI) -> None:
    for kind in (EventIndexError, StoreUnavailableError, StoreError):
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _failed(_: Request, error: Exception) -> Response:
    """Answer an error of the client or the store; what it said of its own trouble is logged."""
    problem = problems.from_error(error)
    if problem.status >= 500:
        log.warning("%s", error)
    return problem.response()


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # registered for it
    return error.response()


async def _wrong_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    if pages.wanted(request):
        return pages.missing(request, HTTPStatus.NOT_FOUND, request.url.path)
    errors = wrong_fields(error.errors())
    detail = errors[0]["detail"]
    return Problem(400, "invalid-request", detail, errors=errors).response()


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: no such address, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    if error.status_code == HTTPStatus.NOT_FOUND and pages.wanted(request):
        return pages.missing(request, error.status_code, request.url.path)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TOO_LARGE
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(document.methods(request.app, request.url.path))
    kind = _KINDS.get(error.status_code, "invalid-request")
    detail = told(
        "CALL_REFUSED",
        "{method} {path}: {problem}",
        method=request.method,
        path=problems.short(request.url.path),
        problem=error.detail,
    )
    return Problem(error.status_code, kind, detail, headers=headers).response()


async def _unexpected(_: Request, __: Exception) -> Response:
    """Answer a mistake in the gateway; the server logs it with its trace."""
    return Problem(500, "internal", told("GATEWAY_FAILED", "the gateway failed")).response()
