"""Random pairs over all runs with the files of each response, and with each file once a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import grpc
import numpy as np

from benchmarks.context import Bench
from benchmarks.echo_client import OPTIONS, to_request
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import FUID, Batch, Lookup
from eventindex.v1 import lookup_pb2

_CASES = (
    Lookup("random, 1,000 a batch", 1_000, one_run=False, ascending=False),
    Lookup("random, 10,000 a batch", 10_000, one_run=False, ascending=False),
)
_BATCHES = 60


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure both in turn, over one stream; the first round fills the cache."""
    dataset = bench.whole
    random = np.random.default_rng(10)
    with grpc.insecure_channel(dataset.stack.index, OPTIONS) as channel:
        for case in _CASES:
            batches = dataset.population.draw(case, _BATCHES, random)
            for of_stream in (False, True):
                _ask(channel, batches, of_stream=of_stream)
            rates: dict[bool, list[float]] = {False: [], True: []}
            sizes: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(bench.sizes.repeats):
                for of_stream in (False, True):
                    seconds, size = _ask(channel, batches, of_stream=of_stream)
                    rates[of_stream].append(len(batches) * case.size / seconds)
                    sizes[of_stream].append(size / len(batches))
            for of_stream, words in ((False, "files in each response"), (True, "once a stream")):
                what = f"{case.name}, {words}"
                yield Figure("stream_files", what, OURS, "pairs/s", rates[of_stream], dataset.label)
                yield Figure(
                    "stream_files",
                    what,
                    OURS,
                    "bytes a response",
                    sizes[of_stream],
                    dataset.label,
                    less_is_better=True,
                )


def _ask(channel: grpc.Channel, batches: Sequence[Batch], *, of_stream: bool) -> tuple[float, int]:
    """Look batches up over one stream; seconds and bytes of the responses, which are checked."""
    requests = []
    for number, batch in enumerate(batches):
        request = to_request(number, batch)
        request.files_of_stream = of_stream
        requests.append(request.SerializeToString())
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        "/eventindex.v1.IndexService/LookupStream"
    )
    began = time.perf_counter()
    answers: list[bytes] = list(call(iter(requests)))
    seconds = time.perf_counter() - began
    ids: list[bytes] = []
    for answer, batch in zip(answers, batches, strict=True):
        message = lookup_pb2.LookupResponse.FromString(answer)
        # Where the new files of the response go in the list; without one it is a list of its own.
        del ids[max(0, message.first_file_index - 1) :]
        ids += [bytes.fromhex(file.fuid_raw.replace("-", "")) for file in message.files]
        fuids = np.frombuffer(bytes(16) + b"".join(ids), FUID)
        if fuids[np.array(message.file_indexes, np.uint32)].tobytes() != batch.fuids.tobytes():
            raise WrongAnswerError(f"files of a stream: wrong answer to request {number}")
    return seconds, sum(map(len, answers))
