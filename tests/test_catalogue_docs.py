"""docs/catalogue.md: every call that it shows is answered, with nothing but reflection."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from eventindex.v1 import ingest_pb2, ingest_pb2_grpc, lookup_pb2

ROOT = Path(__file__).parents[1]
SERVICE = "eventindex.v1.IndexService"
PAGE = (ROOT / "docs/catalogue.md").read_text("utf-8")
CALLS = re.findall(r"^(\w+) (\{.*\})$", PAGE, re.MULTILINE)


def test_every_shown_call_is_answered(ingest_address, index_address):
    """Each method with its JSON request, as `buf curl` and `grpcurl` send it, on the dump's run."""
    records = (Path(__file__).parent / "data" / "dump.dat").read_bytes().splitlines()
    with grpc.insecure_channel(ingest_address) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        batch = ingest_pb2.CosmicBatch(detector_id="0", records=records)
        assert next(stub.IngestCosmic(iter([batch]), timeout=60)).inserted == 3
    with grpc.insecure_channel(index_address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        methods = pool.FindServiceByName(SERVICE).methods_by_name
        for name, text in CALLS:
            assert answer(channel, methods[name], text), (name, text)
    shown = {name for name, _ in CALLS}
    beside = {"Lookup", "LookupStream", "GetEvent", "ListEvents", "CountEvents"}
    contract = lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]
    assert shown == {method.name for method in contract.methods} - beside


def answer(channel, method, text):
    """The answers to a request in JSON, by reflection alone."""
    request = json_format.Parse(text, message_factory.GetMessageClass(method.input_type)())
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = kind(
        f"/{SERVICE}/{method.name}",
        type(request).SerializeToString,
        message_factory.GetMessageClass(method.output_type).FromString,
    )
    found = call(request, timeout=20)
    return list(found) if method.server_streaming else [found]
