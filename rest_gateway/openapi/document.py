"""The OpenAPI 3.1 document: what FastAPI makes of the routes, and what it cannot know. Pure."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.routing import compile_path

from rest_gateway.answers import cosmic_schemas, problem_schemas, schemas

DESCRIPTION = """\
Lists of (run, event) pairs in, the RAW files that hold them out; selections, counts and lists of
what the index holds; long lists as jobs in the background.

* **Numbers** are JSON numbers of up to 64 bits. JavaScript's `JSON.parse` loses those above 2^53:
  parse them as BigInt, or take CSV. File ids are strings. Times are UTC.
* **Errors** are problem documents (RFC 9457) that name the line, the field and the value.
* **Streams** that break off are cut: an answer that ends in good order is complete.
* **Tokens**, where the services ask for them: `Authorization: Bearer <token>`.
"""

_TAGS = [
    {"name": "lookup", "description": "Which RAW file holds event E of run R?"},
    {"name": "jobs", "description": "The same for lists of any size, in the background."},
    {"name": "events", "description": "Events, their numbers, and how criteria overlap."},
    {"name": "status", "description": "What the index holds in all."},
    {"name": "runs", "description": "Runs of the index."},
    {"name": "datasets", "description": "Datasets of the index."},
    {"name": "files", "description": "RAW files, their events, and those made for telescopes."},
    {"name": "conflicts", "description": "Events that were sent twice with different values."},
    {"name": "cosmic", "description": "Records of cosmic-ray telescopes."},
    {"name": "live", "description": "What is coming in now."},
    {"name": "dead letters (admin)", "description": "What was refused, and why."},
]
# Models that only streams and problems refer to.
_MODELS = (problem_schemas.ProblemDocument, schemas.LookupAnswer, cosmic_schemas.CosmicEvent)
_REF = "#/components/schemas/{model}"


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _make(app)
    return app.openapi_schema


def methods(app: FastAPI, path: str) -> list[str]:
    """Return what may be done at an address of the API; elsewhere there are pages to read."""
    for template, operations in document(app)["paths"].items():
        if compile_path(template)[0].match(path):
            names = {method.upper() for method in operations}
            return sorted(names | {"HEAD"} if "GET" in names else names)
    return ["GET", "HEAD"]


def _make(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=_TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = found.setdefault("components", {})
    _, extra = models_json_schema(
        [(model, "serialization") for model in _MODELS], ref_template=_REF
    )
    components.setdefault("schemas", {}).update(extra["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in found["paths"].values():
        for operation in path.values():
            # Wrong parameters are 400 here, as everything that makes no sense is.
            operation["responses"].pop("422", None)
            # A token, or none where the services ask for none.
            operation["security"] = [{"token": []}, {}]
    return found
