"""The same messages through an empty server: what the transport alone can do.

The requests are made before the clock starts and the answers are parsed, no more.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import grpc

from benchmarks.workload import Batch
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc

OPTIONS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.enable_http_proxy", 0)]


def to_request(number: int, batch: Batch) -> lookup_pb2.LookupRequest:
    """Return a batch as the client sends it: one run number where all are equal."""
    one = bool((batch.runs == batch.runs[0]).all())
    return lookup_pb2.LookupRequest(
        batch_id=number,
        run_numbers=(batch.runs[:1] if one else batch.runs).tolist(),
        event_numbers=batch.events.tolist(),
    )


class Echo:
    """An empty server that answers some batches with what the index has answered to them."""

    def __init__(
        self, index_address: str, cases: Mapping[str, Sequence[Batch]], directory: Path
    ) -> None:
        numbers = itertools.count()
        self._requests = {
            case: [to_request(next(numbers), batch) for batch in batches]
            for case, batches in cases.items()
        }
        self._path = directory / "echo-answers"
        with (
            grpc.insecure_channel(index_address, OPTIONS) as channel,
            self._path.open("wb") as stream,
        ):
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            for answer in stub.LookupStream(itertools.chain(*self._requests.values())):
                message = answer.SerializeToString()
                stream.write(len(message).to_bytes(8, "little") + message)

    def __enter__(self) -> Echo:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.echo_server", self._path],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        self.pid = self._server.pid
        self.address = f"127.0.0.1:{int(self._server.stdout.readline())}"
        self._channel = grpc.insecure_channel(self.address, OPTIONS)
        self._stub = lookup_pb2_grpc.IndexServiceStub(self._channel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._server.terminate()
        self._server.communicate()

    def pairs_per_second(self, case: str, count: int) -> float:
        """Send the first batches of a case over one stream and wait for their answers."""
        requests = self._requests[case][:count]
        began = time.perf_counter()
        answers = sum(1 for _ in self._stub.LookupStream(iter(requests)))
        seconds = time.perf_counter() - began
        assert answers == len(requests)
        return sum(len(request.event_numbers) for request in requests) / seconds
