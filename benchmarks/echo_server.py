"""An empty gRPC server: it answers with messages that it was given, and looks nothing up.

`python -m benchmarks.echo_server FILE`: an asyncio server on a free port, which it prints. FILE
holds the answers by batch_id: for each 8 bytes of length and a serialised LookupResponse.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio

from eventindex.v1 import lookup_pb2

_OPTIONS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.so_reuseport", 0)]


def _handlers(answers: dict[int, lookup_pb2.LookupResponse]) -> grpc.GenericRpcHandler:
    async def lookup(request: lookup_pb2.LookupRequest, _: object) -> lookup_pb2.LookupResponse:
        return answers[request.batch_id]

    async def lookup_stream(
        requests: AsyncIterator[lookup_pb2.LookupRequest], _: object
    ) -> AsyncIterator[lookup_pb2.LookupResponse]:
        async for request in requests:
            yield answers[request.batch_id]

    forms = (lookup_pb2.LookupRequest.FromString, lookup_pb2.LookupResponse.SerializeToString)
    return grpc.method_handlers_generic_handler(
        "eventindex.v1.IndexService",
        {
            "Lookup": grpc.unary_unary_rpc_method_handler(lookup, *forms),
            "LookupStream": grpc.stream_stream_rpc_method_handler(lookup_stream, *forms),
        },
    )


def _read(path: Path) -> dict[int, lookup_pb2.LookupResponse]:
    content, at, answers = path.read_bytes(), 0, {}
    while at < len(content):
        end = at + 8 + int.from_bytes(content[at : at + 8], "little")
        answer = lookup_pb2.LookupResponse.FromString(content[at + 8 : end])
        answers[answer.batch_id], at = answer, end
    return answers


async def _serve(path: Path) -> None:
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_handlers(_read(path)),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
