"""Tokens of every kind on streams: none begins with a bad one, and one that turns bad ends them."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest

from eventindex.v1 import event_pb2, ingest_pb2_grpc, lookup_pb2, lookup_pb2_grpc
from tests.access.conftest import CACHE_S, Doors, bad_tokens
from tests.conftest import execute
from tests.support.processes import wait_until
from tests.support.tokens import bearer

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
LOOKUP = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
BATCH = event_pb2.EventBatch(
    files=[event_pb2.RawFile(fuid_raw=str(uuid.UUID(int=1)), dsid_raw=1)],
    run_numbers=[1], event_numbers=[1], file_indexes=[1],
)  # fmt: skip
# What becomes of a token of the database while its stream runs.
TURNS = {
    "revoked": "UPDATE access_token SET revoked = now() WHERE subject = 'revoked'",
    "expired": "UPDATE access_token SET expires = now() WHERE subject = 'expired'",
    "narrowed": "UPDATE access_token SET scopes = CASE WHEN scopes = '{lookup}' "
    "THEN '{ingest}'::text[] ELSE '{lookup}'::text[] END WHERE subject = 'narrowed'",
    "forgotten": "DELETE FROM access_token WHERE subject = 'forgotten'",
}


class Running:
    """A stream of one token, both ways."""

    def __init__(self, channel: grpc.Channel, scope: str, token: str | None) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._message = LOOKUP if scope == "lookup" else BATCH
        begin: Callable[..., Any] = (
            lookup_pb2_grpc.IndexServiceStub(channel).LookupStream
            if scope == "lookup"
            else ingest_pb2_grpc.IngestServiceStub(channel).Ingest
        )
        metadata = bearer(token) if token is not None else ()
        self._stream = begin(iter(self._requests.get, None), timeout=120, metadata=metadata)

    def ask(self) -> grpc.StatusCode:
        """Send a message; OK when it was answered, else how the stream ended."""
        self._requests.put(self._message)
        try:
            next(self._stream)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def end(self) -> None:
        self._requests.put(None)
        self._stream.cancel()


@pytest.mark.parametrize(("door", "scope"), [("index", "lookup"), ("ingest", "ingest")])
def test_no_stream_answers_a_message_with_a_bad_token(doors: Doors, door, scope, tmp_path) -> None:
    """Whatever is wrong with a token, the first message is not answered; the good one's is."""
    bad = {
        kind: (token, UNAUTHENTICATED) for kind, token in bad_tokens(doors, scope, tmp_path).items()
    }
    others = {"lookup", "ingest"} - {scope}
    bad |= {
        "missing scope": (doors.opaque(*others), DENIED),
        "missing scope, signed": (doors.issuer.token(*others), DENIED),
        "no scope, signed": (doors.issuer.token(), DENIED),
    }
    with grpc.insecure_channel(getattr(doors, door).address) as channel:
        for kind, (token, code) in bad.items():
            stream = Running(channel, scope, token)
            assert stream.ask() is code, kind
            stream.end()
        for token in (doors.opaque(scope), doors.issuer.token(scope), doors.opaque("admin")):
            stream = Running(channel, scope, token)
            assert stream.ask() is grpc.StatusCode.OK
            stream.end()


@pytest.mark.parametrize(("door", "scope"), [("index", "lookup"), ("ingest", "ingest")])
def test_a_token_that_turns_bad_ends_its_stream_and_no_other(doors: Doors, door, scope) -> None:
    """Revoked, expired, of another scope or forgotten, of both kinds: the next message ends it."""
    now = int(time.time())
    tokens = {turn: doors.opaque(scope, subject=turn) for turn in TURNS}
    # A few seconds before the tolerance of 60 s is over.
    tokens["expired, signed"] = doors.issuer.token(scope, iat=now - 600, exp=now - 50)
    good = [doors.opaque(scope), doors.issuer.token(scope)]
    with grpc.insecure_channel(getattr(doors, door).address) as channel:
        turning = {turn: Running(channel, scope, token) for turn, token in tokens.items()}
        staying = [Running(channel, scope, token) for token in good]
        for stream in (*turning.values(), *staying):
            assert stream.ask() is grpc.StatusCode.OK
        for sql in TURNS.values():
            execute(doors.database_url, sql)
        for turn, stream in turning.items():
            ended = wait_until(
                lambda s=stream: (code := s.ask()) is not grpc.StatusCode.OK and code, what=turn
            )
            assert ended is UNAUTHENTICATED, turn
        for stream in staying:
            assert stream.ask() is grpc.StatusCode.OK
            stream.end()


def test_a_long_answer_ends_with_its_token(doors: Doors) -> None:
    """What a service sends by itself is held too: a listing stops once its token is revoked."""
    token, events = doors.opaque("lookup", subject="lister"), 100_000
    batch = event_pb2.EventBatch(
        files=BATCH.files, run_numbers=[2], event_numbers=range(events), file_indexes=[1]
    )
    batch.run_numbers[:] = [2] * events
    batch.file_indexes[:] = [1] * events
    with grpc.insecure_channel(doors.ingest.address) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        (stored,) = stub.Ingest(iter([batch]), metadata=bearer(doors.opaque("ingest")), timeout=60)
        assert stored.inserted == events
    one_each = lookup_pb2.ListEventsRequest(batch_events_max=1)
    with grpc.insecure_channel(doors.index.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        listing = stub.ListEvents(one_each, metadata=bearer(token), timeout=120)
        next(listing)
        execute(
            doors.database_url, "UPDATE access_token SET revoked = now() WHERE subject = 'lister'"
        )
        time.sleep(2 * CACHE_S)  # nothing tells when the service has forgotten the token
        with pytest.raises(grpc.RpcError) as ended:
            assert sum(1 for _ in listing) < events - 1
        assert ended.value.code() is UNAUTHENTICATED


def test_events_over_http_end_with_their_token(doors: Doors) -> None:
    """Server-sent events of a token that is revoked end; those of another go on."""
    revoked, good = doors.opaque("lookup", subject="sse"), doors.opaque("lookup")

    def lines(http: httpx.Client, opened: list[Any]) -> Any:
        opened.append(http.stream("GET", "/api/v1/live"))
        answer = opened[-1].__enter__()
        assert answer.status_code == 200
        return answer.iter_lines()

    opened: list[Any] = []
    with doors.http(revoked) as one, doors.http(good) as other:
        ending, staying = lines(one, opened), lines(other, opened)
        next(ending), next(staying)
        execute(doors.database_url, "UPDATE access_token SET revoked = now() WHERE subject = 'sse'")
        # It is over after a few lines; the last one of the other shows that the service goes on.
        assert sum(1 for _ in ending) < 100
        next(staying)
        for one_answer in opened:
            one_answer.__exit__(None, None, None)
