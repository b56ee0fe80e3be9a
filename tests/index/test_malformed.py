"""Bytes that are no request: what every method of every server says to them, and logs."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from eventindex.v1 import admin_pb2, event_pb2, ingest_pb2, lookup_pb2
from service_kit import registry
from service_kit.errors import IncompleteServiceError, MalformedRequestError
from service_kit.requests import parse
from tests.support.gateway import database
from tests.support.processes import Service, run_python
from tests.support.tokens import bearer, make

ANSWER_S_MAX = 20
# Of each method; the calls of all together take about ten seconds.
MUTANTS = 30
SEED = 20_260_101
PROBES = [
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
]
CONTRACTS = {
    "index_service": [lookup_pb2.DESCRIPTOR.services_by_name["IndexService"], *PROBES],
    "ingest_service": [
        ingest_pb2.DESCRIPTOR.services_by_name["IngestService"],
        admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
        *PROBES,
    ],
}
METHODS = [
    pytest.param(module, method, id=f"{module}-{method.full_name}")
    for module, contracts in CONTRACTS.items()
    for contract in contracts
    for method in contract.methods
]
# A tag without its value; a length beyond the end; a field number 0; a varint without an end; a
# wire type that is none.
BROKEN = [b"\x08", b"\x0a\x7f", b"\x00", b"\xff" * 11, b"\x0f\x01"]
# What a caller of any kind may get for a request that is well formed.
ANSWERS = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS"}


@pytest.fixture(scope="module")
def servers(postgres, _template):
    """Both services and a channel to each; they share an empty database."""
    with database(postgres, _template) as url:
        services = {module: Service(module, database_url=url).start() for module in CONTRACTS}
        # Tokens are made, listed and revoked with a token only.
        token = bearer(make(url, "admin", "ingest", "lookup", lifetime_s=3_600))
        callers = {
            module: Caller(grpc.insecure_channel(service.address), token)
            for module, service in services.items()
        }
        yield services, callers
        for caller in callers.values():
            caller.channel.close()
        for service in services.values():
            service.close()


class Caller(NamedTuple):
    """A channel, and what is sent with each call."""

    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]


def call(caller, method, requests, seconds=ANSWER_S_MAX):
    """The status of a call with these bytes for requests, its text and the answers before."""
    kind = ("stream" if method.client_streaming else "unary") + (
        "_stream" if method.server_streaming else "_unary"
    )
    path = f"/{method.containing_service.full_name}/{method.name}"
    invoke = getattr(caller.channel, kind)(path)
    given = iter(requests) if method.client_streaming else requests[0]
    answers = []
    try:
        found = invoke(given, timeout=seconds, metadata=caller.metadata)
        answers.extend(found if method.server_streaming else [found])
    except grpc.RpcError as error:
        return error.code().name, error.details(), answers
    return "OK", "", answers


def log_since(service, size):
    """What the service wrote since its log had a size."""
    return service.log.read_bytes()[size:].decode()


@pytest.mark.parametrize(("module", "method"), METHODS)
def test_bytes_that_are_no_message_are_an_invalid_argument(servers, module, method):
    """Every method names the message that it wants, in one line of the log, without a trace."""
    services, channels = servers
    for data in BROKEN:
        size = services[module].log.stat().st_size
        code, text, _ = call(channels[module], method, [data])
        assert (code, text) == (
            "INVALID_ARGUMENT",
            f"the request is not a valid {method.input_type.name}",
        )
        logged = log_since(services[module], size).splitlines()
        said = [line for line in logged if "service_kit.registry" not in line]  # each call
        assert len(said) == 1
        assert text in said[0]


@pytest.mark.parametrize(
    ("module", "method"), [each for each in METHODS if each.values[1].client_streaming]
)
def test_a_stream_is_answered_up_to_what_is_no_message(servers, module, method):
    """Requests before the bad bytes have their answers, those behind it have none."""
    code, text, answers = call(servers[1][module], method, [b"", b"", b"\x08", b""])
    assert (code, text) == (
        "INVALID_ARGUMENT",
        f"the request is not a valid {method.input_type.name}",
    )
    assert len(answers) == 2


@pytest.mark.parametrize(("module", "method"), METHODS)
def test_random_and_mutated_requests_are_answered_in_words(servers, module, method):
    """Whatever the bytes: a status of the contract, no name of a class, no trace in the log."""
    services, channels = servers
    rng = random.Random(f"{SEED} {method.full_name}")
    kind = message_factory.GetMessageClass(method.input_type)
    # Watch goes on until the caller ends it.
    endless = method.full_name == "grpc.health.v1.Health.Watch"
    size = services[module].log.stat().st_size
    for _ in range(MUTANTS if not endless else 3):
        data = mutant(rng, kind)
        code, text, _ = call(channels[module], method, [data], 1 if endless else ANSWER_S_MAX)
        context = f"{method.full_name} {data.hex()}: {code} {text}"
        if not is_message(kind, data):
            assert code == "INVALID_ARGUMENT", context
        elif endless:
            assert code == "DEADLINE_EXCEEDED", context
        else:
            assert code in ANSWERS, context
        assert not re.search(r"<class|object at 0x|\w+Error\b|_pb2|Traceback", text or ""), context
    logged = log_since(services[module], size)
    assert "Traceback" not in logged


def is_message(kind, data):
    """Whether protobuf reads the bytes as this message."""
    try:
        kind.FromString(data)
    except DecodeError:
        return False
    return True


def mutant(rng, kind):
    """Random bytes, a message with random fields, or such a message with some bytes changed."""
    way = rng.randrange(3)
    if way == 0:
        return rng.randbytes(rng.randrange(1, 60))
    data = bytearray(fill(rng, kind()).SerializeToString())
    if way == 2 and data:
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.randrange(1, len(data) + 1) :]
    return bytes(data)


def fill(rng, message, depth=0):
    """The message with some of its fields set to small, large and odd values."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.4 or (field.message_type and depth > 2):
            continue
        count = rng.randrange(4) if field.is_repeated else 1
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        for _ in range(count):
            if field.message_type is None:
                put(message, field, value(rng, field))
            elif field.is_repeated:
                fill(rng, getattr(message, field.name).add(), depth + 1)
            else:
                fill(rng, getattr(message, field.name), depth + 1)
    return message


def put(message, field, found):
    """Set or append a value."""
    if field.is_repeated:
        getattr(message, field.name).append(found)
    else:
        setattr(message, field.name, found)


def value(rng, field):
    """A value that the field can hold."""
    texts = ["", "0", "a" * 300, "\x00", "%s", "0-0", "12345678-1234-1234-1234-123456789abc"]
    bits = 64 if "64" in FIELD_TYPES[field.type] else 32
    if field.cpp_type in {FieldDescriptor.CPPTYPE_STRING}:
        found = rng.choice(texts)
        return found.encode() if field.type == FieldDescriptor.TYPE_BYTES else found
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type in {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}:
        return rng.choice([0.0, -1.5, float("inf"), float("nan")])
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice([0, 1, 2, 3, 99])
    signed = field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}
    top = (1 << (bits - signed)) - 1
    return rng.choice([0, 1, 2, 3, 7, top, top >> 1, -1 if signed else 5])


FIELD_TYPES = {
    number: name for name, number in vars(FieldDescriptor).items() if name.startswith("TYPE_")
}


def test_the_message_is_named_and_nothing_of_python_is():
    """What the caller reads names the contract's message alone."""
    with pytest.raises(MalformedRequestError) as caught:
        parse(event_pb2.EventBatch, b"\x08")
    assert str(caught.value) == "the request is not a valid EventBatch"


def test_a_contract_with_a_method_that_nothing_implements_is_refused():
    """Handlers are not made for a part of a contract: the error names what is missing."""

    class Half:
        async def Ingest(self, request):
            """One of the two methods."""

    contract = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"]
    with pytest.raises(IncompleteServiceError, match=r"IngestService .*: IngestCosmic$"):
        registry.handlers(contract, Half(), observer=None)


@pytest.mark.parametrize(
    ("module", "holder", "method"),
    [
        ("index_service", "index_service.lists.Catalogue", "ListFiles"),
        ("ingest_service", "ingest_service.admin.door.AdminDoor", "Verify"),
        ("ingest_service", "ingest_service.rpc.door.IngestDoor", "IngestCosmic"),
    ],
)
def test_a_service_without_a_method_of_its_contract_does_not_start(
    database_url, module, holder, method
):
    """The process ends with 1 and a sentence that names the method, without a trace."""
    place, _, name = holder.rpartition(".")
    program = (
        f"import runpy; from {place} import {name}; del {name}.{method}; "
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    ended = run_python(
        program,
        EVENTINDEX_DATABASE_URL=database_url,
        EVENTINDEX_INDEX_ADDRESS="127.0.0.1:0",
        EVENTINDEX_INDEX_METRICS_ADDRESS="127.0.0.1:0",
        EVENTINDEX_INDEX_WORKERS="1",
        EVENTINDEX_INGEST_ADDRESS="127.0.0.1:0",
        EVENTINDEX_INGEST_METRICS_ADDRESS="127.0.0.1:0",
    )
    assert ended.returncode == 1, ended.stderr
    assert f"has methods that nothing here implements: {method}" in ended.stderr
    assert "Traceback" not in ended.stderr
