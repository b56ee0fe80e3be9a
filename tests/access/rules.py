"""Which scopes open each RPC and each route: what stands nowhere here fails the tests."""

from __future__ import annotations

import importlib
import pkgutil

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import eventindex.v1

SCOPES = {"lookup", "ingest", "admin"}
_LOOKUP, _INGEST, _ADMIN = {"lookup", "admin"}, {"ingest", "admin"}, {"admin"}
_METHODS: dict[str, tuple[set[str], str]] = {
    "eventindex.v1.IndexService": (
        _LOOKUP,
        "Lookup LookupStream GetEvent ListEvents CountEvents ListRuns RunGaps ListDatasets "
        "GetDataset ListFiles GetFile ReadRawFile ListConflicts GetCosmicEvents CountCosmicEvents "
        "ListCollections OverlapCollections ListDuplicates IndexStatus",
    ),
    "eventindex.v1.IngestService": (_INGEST, "Ingest IngestCosmic"),
    "eventindex.v1.AdminService": (
        _ADMIN,
        "UpdateDataset DeleteDataset CreateCollection UpdateCollection DeleteCollection "
        "ResolveConflict ListCriteria SetCriterion DeleteCriterion ListDeadLetters GetDeadLetter "
        "ReplayDeadLetter DiscardDeadLetter Verify CreateToken ListTokens RevokeToken NoteFiles "
        "ListAdminActions",
    ),
    "grpc.health.v1.Health": (SCOPES, "Check List Watch"),
    "grpc.reflection.v1alpha.ServerReflection": (SCOPES, "ServerReflectionInfo"),
}
RPCS = {
    f"{service}/{name}": scopes
    for service, (scopes, names) in _METHODS.items()
    for name in names.split()
} | {"eventindex.v1.AdminService/IngestStatus": SCOPES}
# Probes have no token.
OPEN_RPCS = {"grpc.health.v1.Health/Check"}
# The services that each server has.
DOORS = {
    "index": ["IndexService"],
    "ingest": ["IngestService", "AdminService"],
}
BESIDE = [
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
]

ADMIN_ROUTES = {
    "POST /api/v1/conflicts/{conflict_id}/resolve",
    "GET /api/v1/dead-letters",
    "GET /api/v1/dead-letters/{dead_letter_id}",
    "POST /api/v1/dead-letters/{dead_letter_id}/replay",
    "DELETE /api/v1/dead-letters/{dead_letter_id}",
}
LOOKUP_ROUTES = {
    f"{line.split()[0]} /api/v1/{line.split()[1]}"
    for line in """
    GET collections
    GET collections/overlap
    GET conflicts
    GET cosmic/counts
    GET cosmic/events
    GET counts
    GET datasets
    GET datasets/{dsid_raw}
    GET events
    GET events/{run_number}/{event_number}
    GET files
    GET files/by-name
    GET files/{fuid_raw}
    GET files/{fuid_raw}/content
    GET files/{fuid_raw}/events
    GET in-time
    POST jobs
    GET jobs/{job_id}
    DELETE jobs/{job_id}
    GET jobs/{job_id}/events
    GET jobs/{job_id}/result
    GET live
    POST lookup
    GET overlaps
    GET runs
    GET runs/{run_number}
    GET runs/{run_number}/gaps
    GET status
    """.strip().splitlines()
}
# The pages, which hold no data, and what describes the API.
OPEN_ROUTES = {
    f"GET /{path}"
    for path in (
        "",
        "api/v1/openapi.json",
        "assets",
        "collections",
        "conflicts",
        "cosmic",
        "datasets",
        "datasets/{dsid_raw}",
        "dead-letters",
        "docs",
        "files/{fuid_raw}",
        "jobs",
        "live",
        "runs",
        "runs/{run_number}",
        "select",
        "sign-in",
    )
}


def contracts() -> dict[str, ServiceDescriptor]:
    """Each service of the contract, by its name."""
    modules = [
        importlib.import_module(f"eventindex.v1.{found.name}")
        for found in pkgutil.iter_modules(eventindex.v1.__path__)
        if found.name.endswith("_pb2")
    ]
    return {
        service.name: service
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
    }


def services_of(door: str) -> list[ServiceDescriptor]:
    """The services of a server, with those that every server has."""
    known = contracts()
    return [known[name] for name in DOORS[door]] + BESIDE
