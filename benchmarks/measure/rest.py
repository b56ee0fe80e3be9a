"""Lookups over HTTP: lists posted to `rest_gateway`, beside the same pairs over gRPC.

Lists are text or JSON before the clock starts, and answers are parsed after it has stopped: what is
measured is the gateway with what stands behind it. Both start and end in this process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.context import Bench, pairs_per_second
from benchmarks.measure.lookups import Rate, in_turn
from benchmarks.peers.base import check
from benchmarks.peers.pages import PageIndex
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import FUID, Batch, Fuids, Lookup

_LISTS = 2


@dataclass(frozen=True)
class _Form:
    """A form of lists and answers."""

    system: str
    content_type: str
    accept: str
    write: Callable[[Batch], bytes]
    read: Callable[[bytes], Fuids]


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure lists of each length, the shortest first, and the gateway's memory after each."""
    dataset = bench.whole
    random = np.random.default_rng(8)
    pid = dataset.stack.pids["rest_gateway"]
    gateway = http.client.HTTPConnection(dataset.stack.http.removeprefix("http://"), timeout=300)
    with contextlib.closing(gateway):
        yield from _memory_of_many(bench, gateway, pid, random)
        for size in bench.sizes.rest_pairs:
            case = Lookup(f"random, {size:,} a list", size, one_run=False, ascending=False)
            drawn = dataset.population.draw(case, _LISTS, random)
            rates = {OURS: _grpc_rate(dataset.ours, case)}
            rates |= {form.system: _rest_rate(gateway, form, case) for form in _FORMS}
            taken = in_turn(rates, drawn, bench.sizes.repeats, bench.sizes.sample_s)
            for name, samples in taken.items():
                yield Figure("rest", case.name, name, "pairs/s", samples, dataset.label)
            yield Figure(
                "rest",
                f"{case.name}, peak so far",
                "rest_gateway",
                "MiB, memory",
                [_peak_bytes(pid) / 2**20],
                dataset.label,
                less_is_better=True,
            )


def _memory_of_many(
    bench: Bench, gateway: http.client.HTTPConnection, pid: int, random: np.random.Generator
) -> Iterator[Figure]:
    """Measure by how much the gateway grows with a list of any length."""
    dataset, form = bench.whole, _FORMS[2]
    for size in (bench.sizes.rest_pairs_many // 10, bench.sizes.rest_pairs_many):
        case = Lookup(f"random, {size:,} a list", size, one_run=False, ascending=False)
        before = _peak_bytes(pid)
        drawn = dataset.population.draw(case, 1, random)
        _rest_rate(gateway, form, case)(drawn)
        yield Figure(
            "rest",
            f"{case.name}, growth of the peak",
            form.system,
            "MiB, memory",
            [(_peak_bytes(pid) - before) / 2**20],
            dataset.label,
            less_is_better=True,
        )


def _grpc_rate(ours: PageIndex, case: Lookup) -> Rate:
    """Measure the same lists over one LookupStream, in messages of the largest size."""

    def rate(lists: Sequence[Batch]) -> float:
        step = ours.pairs_max
        parts = [one.at(slice(at, at + step)) for one in lists for at in range(0, case.size, step)]
        return pairs_per_second(OURS, case.name, ours.lookup, parts)

    return rate


def _rest_rate(gateway: http.client.HTTPConnection, form: _Form, case: Lookup) -> Rate:
    def rate(lists: Sequence[Batch]) -> float:
        bodies = [form.write(one) for one in lists]
        began = perf_counter()
        answers = [_post(gateway, form, body) for body in bodies]
        seconds = perf_counter() - began
        check(form.system, case.name, [partial(form.read, data) for data in answers], lists)
        return case.size * len(lists) / seconds

    return rate


def _post(gateway: http.client.HTTPConnection, form: _Form, body: bytes) -> bytes:
    headers = {"Content-Type": form.content_type, "Accept": form.accept}
    gateway.request("POST", "/api/v1/lookup", body, headers)
    with gateway.getresponse() as answer:
        data = answer.read()
    if answer.status != http.client.OK:
        raise WrongAnswerError(f"{form.system}: {answer.status} {data[:500]!r}")
    return data


def _to_text(batch: Batch) -> bytes:
    return b"".join([b"%d %d\n" % pair for pair in _pairs(batch)])


def _to_arrow(batch: Batch) -> bytes:
    table = pa.table({"run_number": batch.runs, "event_number": batch.events})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


def _to_parquet(batch: Batch) -> bytes:
    out = pa.BufferOutputStream()
    parquet.write_table(pa.table({"run_number": batch.runs, "event_number": batch.events}), out)
    return bytes(out.getvalue())


def _to_json(batch: Batch) -> bytes:
    return json.dumps({"pairs": _pairs(batch)}).encode()


def _pairs(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.runs.tolist(), batch.events.tolist(), strict=True))


def _from_csv(data: bytes) -> Fuids:
    _, *lines = data.decode().splitlines()
    return _fuids([line.split(",")[2] for line in lines])


def _from_arrow(data: bytes) -> Fuids:
    return _of_column(pa.ipc.open_stream(data).read_all()["fuid_raw"])


def _from_parquet(data: bytes) -> Fuids:
    column = parquet.read_table(pa.BufferReader(data), columns=["fuid_raw"])["fuid_raw"]
    return _of_column(column)


def _of_column(column: pa.ChunkedArray) -> Fuids:
    """Return the ids of a column of texts, zeros where one is null."""
    chunks = []
    for chunk in column.chunks:
        found = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        ids = np.append(_fuids(found.dictionary.to_pylist()), np.zeros(1, FUID))
        chunks.append(ids[found.indices.fill_null(len(ids) - 1).to_numpy()])
    return np.concatenate(chunks) if chunks else np.empty(0, FUID)


def _from_json(data: bytes) -> Fuids:
    return _fuids([answer["fuid_raw"] or "" for answer in json.loads(data)["answers"]])


def _fuids(texts: Sequence[str]) -> Fuids:
    ids = {text: uuid.UUID(text).bytes if text else bytes(16) for text in set(texts)}
    return np.frombuffer(b"".join([ids[text] for text in texts]), FUID)


def _peak_bytes(pid: int) -> int:
    """Return the most memory that a process had so far (Linux); elsewhere 0."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


_PARQUET = "application/vnd.apache.parquet"
_ARROW = "application/vnd.apache.arrow.stream"
_FORMS = (
    _Form("REST, text to CSV", "text/plain", "text/csv", _to_text, _from_csv),
    _Form("REST, JSON to JSON", "application/json", "application/json", _to_json, _from_json),
    _Form("REST, Arrow to Arrow", _ARROW, _ARROW, _to_arrow, _from_arrow),
    _Form("REST, Parquet to Parquet", _PARQUET, _PARQUET, _to_parquet, _from_parquet),
)
