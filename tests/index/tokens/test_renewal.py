"""A client whose token ends goes on with the next one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

import eventindex
import eventindex.aio
from eventindex import EventColumns, RawFile
from eventindex.download import download
from eventindex.stream import StreamLimits
from eventindex.token import CallToken, TokenFile, TokenSource
from eventindex.token_channel import TokenRenewedError
from tests.support.processes import wait_until
from tests.support.tokens import STRANGER, Stack

FUID = "6a1f7c1e-0000-4000-8000-00000000000a"


@pytest.fixture(autouse=True)
def _no_wlcg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


class Renewed:
    """A token of a second, and the one behind it, each given out by a function."""

    def __init__(self, stack: Stack, *scopes: str) -> None:
        self.ends = time.time() + 1.1
        self.texts = [stack.token(*scopes, lifetime_s=1), stack.token(*scopes)]

    def __call__(self) -> str:
        return self.texts[self.is_over()]

    def is_over(self) -> bool:
        return time.time() > self.ends

    def across(self, make: Callable[[int], object], n: int = 8) -> Iterator[object]:
        """Things of which the later ones come when the first token is over."""
        for number in range(n):
            if number == n // 2:
                assert wait_until(self.is_over)
            yield make(number)


def test_a_stream_of_lookups_goes_on_with_the_next_token(stack: Stack) -> None:
    """Each batch is answered once and in order, though the token ended on the way."""
    token = Renewed(stack, "lookup")
    with stack.connect(token) as client:
        batches = token.across(lambda n: [(n, event) for event in range(n + 1)])
        answers = list(client.lookup_stream(batches, batches_in_flight_max=2))
        assert [len(answer) for answer in answers] == list(range(1, 9))
        assert client.lookup([(1, 1)]).not_found == 1


def test_a_stream_of_events_is_stored_once(stack: Stack) -> None:
    """Acknowledgements come once a batch; no event is counted twice or lost."""
    token = Renewed(stack, "ingest", "lookup")

    def batch(number: int) -> EventColumns:
        return EventColumns([RawFile(FUID, 77)], [7_700], [number], [1])

    with stack.connect(token) as client:
        acks = list(client.ingest(token.across(batch)))
        assert [ack.inserted + ack.duplicates for ack in acks] == [1] * 8
        assert client.lookup([(7_700, number) for number in range(8)]).found == 8


async def test_asynchronous_lookups_go_on_too(stack: Stack) -> None:
    """On an event loop a stream and a single lookup take the next token likewise."""
    token = Renewed(stack, "lookup")
    files = stack.certificates / "ca.pem"
    async with eventindex.aio.connect(stack.index.address, tls_ca=files, token=token) as client:
        batches = token.across(lambda n: [(n, 1)])
        assert [len(answer) async for answer in client.lookup_stream(batches)] == [1] * 8
        assert (await client.lookup([(1, 1)])).not_found == 1


def test_a_file_is_read_again_when_it_changes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who renews EVENTINDEX_TOKEN_FILE needs not restart the job."""
    file, token = tmp_path / "token", Renewed(stack, "lookup")
    file.write_text(token.texts[0])
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(file))

    def batches() -> Iterator[list[tuple[int, int]]]:
        yield [(1, 1)]
        assert wait_until(token.is_over)
        file.write_text(token.texts[1])
        yield [(1, 2)]

    with stack.connect() as client:
        assert len(list(client.lookup_stream(batches(), batches_in_flight_max=1))) == 2


def test_a_newer_token_is_tried_once(stack: Stack) -> None:
    """One that is refused as well ends the call, however many there are."""
    given = []

    def stale() -> str:
        given.append(STRANGER[:-2] + f"{len(given):02}")
        return given[-1]

    with stack.connect(stale) as client:
        for call in (
            lambda: client.lookup([(1, 1)]),
            lambda: list(client.lookup_stream([[(1, 1)]])),
            lambda: list(client.list_events()),
        ):
            given.clear()
            with pytest.raises(eventindex.AccessError, match="not valid"):
                call()
            assert 2 <= len(given) <= 4
    stale_then_good = iter([STRANGER, STRANGER, *[stack.token("lookup")] * 9])
    with stack.connect(lambda: next(stale_then_good)) as client:
        assert len(list(client.lookup_stream([[(1, 1)]]))) == 1


def test_a_download_goes_on_where_it_can_be_told_where(stack: Stack) -> None:
    """Answers behind a renewal are neither repeated nor lost; else the error says what it was."""
    token = CallToken(TokenSource(lambda: "new"), "127.0.0.1:1", encrypted=True)
    assert token.newer((("authorization", "Bearer old"),)) == token.metadata()
    assert token.newer(token.metadata()) == ()

    class Ended(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAUTHENTICATED

        def details(self) -> str:
            return "the token has ended"

    class Call:
        def __init__(self, first: int) -> None:
            self.answers = self.run(first)

        def run(self, first: int) -> Iterator[int]:
            for number in range(first, first + 3):
                yield number
                if number == 1:
                    raise TokenRenewedError(Ended())

        def __iter__(self) -> Iterator[int]:
            return self.answers

        def cancel(self) -> bool:
            return True

    seen: list[int] = []
    limits = StreamLimits(retry_seconds_max=0)
    for number in download(lambda: Call(len(seen)), limits, "there", resumes=True):
        seen.append(number)  # noqa: PERF402  # the next call is opened by what was seen
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(eventindex.AccessError, match="has ended"):
        list(download(lambda: Call(0), limits, "there", resumes=False))


def test_tokens_lie_where_wlcg_tools_put_them(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """BEARER_TOKEN, BEARER_TOKEN_FILE and bt_u<uid>, behind what is named for EventIndex."""
    good = stack.token("lookup")
    (tmp_path / f"bt_u{os.geteuid()}").write_text(f"{good}\n")
    with stack.connect() as client:
        assert client.lookup([(1, 1)]).not_found == 1
    source = TokenSource()
    assert source.discovered() == good
    named = tmp_path / "named"
    named.write_text("of-the-file")
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(named))
    assert source.discovered() == "of-the-file"
    monkeypatch.setenv("BEARER_TOKEN", "of-the-variable")
    assert source.discovered() == "of-the-variable"
    assert source.current() == ""
    # It is not sent where others could read it, and nobody who has one is kept from asking.
    assert CallToken(source, "192.0.2.1:50051", encrypted=False).metadata() == ()
    assert CallToken(source, "192.0.2.1:50051", encrypted=True).metadata()
    monkeypatch.setenv("EVENTINDEX_TOKEN", "ours")
    assert source.current() == "ours"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_anothers_file_is_no_token_of_ours(tmp_path: Path) -> None:
    """Whoever may write into /tmp does not choose with which token others call."""
    file = tmp_path / f"bt_u{os.geteuid()}"
    file.write_text("planted")
    os.chown(file, 65_534, 65_534)
    assert TokenSource().discovered() != "planted"


def test_a_file_that_is_being_written_keeps_the_last_token(tmp_path: Path) -> None:
    """An empty or missing file between two tokens fails no call."""
    path = tmp_path / "token"
    with pytest.raises(FileNotFoundError):
        TokenFile(path).text()
    path.write_text("first")
    file = TokenFile(path)
    assert file.text() == "first"
    path.write_text("")
    assert file.text() == "first"
    path.unlink()
    assert file.text() == "first"
    path.write_text("second")
    assert file.text() == "second"
