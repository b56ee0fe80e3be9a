"""The calls that a page of the documentation shows, made as `buf curl` and `grpcurl` make them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

DOCS = Path(__file__).parents[2] / "docs"


def shown_calls(page: str) -> list[tuple[str, str]]:
    """The method and the JSON of each call on a page; several objects are a stream of requests."""
    text = (DOCS / page).read_text("utf-8")
    return re.findall(r"^(\w+) (\{.*\})$", text, re.MULTILINE)


class Reflected:
    """Services of a channel, known from reflection alone."""

    def __init__(self, channel, *services, token=""):
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        found = [pool.FindServiceByName(f"eventindex.v1.{service}") for service in services]
        self._channel = channel
        self.methods = {name: m for one in found for name, m in one.methods_by_name.items()}

    def answers(self, name, text):
        """The answers to requests in JSON; one for each, but where a single one has a stream."""
        method = self.methods[name]
        make = message_factory.GetMessageClass(method.input_type)
        requests = [json_format.ParseDict(value, make()) for value in json_values(text)]
        kind = f"{cardinality(method.client_streaming)}_{cardinality(method.server_streaming)}"
        call = getattr(self._channel, kind)(
            f"/{method.containing_service.full_name}/{method.name}",
            make.SerializeToString,
            message_factory.GetMessageClass(method.output_type).FromString,
        )
        asked = iter(requests) if method.client_streaming else requests[0]
        found = call(asked, timeout=20, metadata=self._metadata)
        answers = list(found) if method.server_streaming else [found]
        if method.client_streaming or not method.server_streaming:
            assert len(answers) == len(requests), (name, text)
        return answers


def cardinality(streaming):
    return "stream" if streaming else "unary"


def json_values(text):
    """The JSON values that stand one behind the other."""
    values, decoder = [], json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values
