"""Access tokens at the client: where it takes one from, and where it sends it."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

import eventindex
from eventindex.token import TokenSource
from tests.support.processes import Service
from tests.support.tokens import STRANGER, Stack, make

# The client and the command line


def test_the_client_takes_its_token_from_where_it_is(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The argument, EVENTINDEX_TOKEN and the file of EVENTINDEX_TOKEN_FILE, in this order."""
    good = stack.token("lookup", "ingest")
    file = tmp_path / "token"
    file.write_text(f"{good}\n")

    def works(token: str | None = None) -> bool:
        with stack.connect(token) as client:
            try:
                client.lookup([(1, 1)])
            except eventindex.AccessError:
                return False
            assert list(client.lookup_stream([[(1, 1)], [(1, 2)]]))
            list(client.list_events())
            assert list(client.ingest([])) == []
            with pytest.raises(eventindex.AccessError, match="AdminService needs admin"):
                client.criteria()
            return True

    assert not works()
    assert works(good)
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(file))
    assert works()
    monkeypatch.setenv("EVENTINDEX_TOKEN", STRANGER)
    assert not works()
    assert works(good)
    monkeypatch.delenv("EVENTINDEX_TOKEN")
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):
        works()


def test_a_token_leaves_this_machine_over_tls_only(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS a token goes to loopback, and elsewhere with leave by name."""
    service = Service("index_service", database_url=database_url, require_tokens=True)
    secret = make(database_url, "lookup")
    try:
        service.start()
        with eventindex.connect(service.address, token=secret) as client:
            assert client.lookup([(1, 1)]).not_found == 1
        # An address that is not plainly loopback counts as another machine's.
        elsewhere = f"dns:///{service.address}"
        for address in (elsewhere, "192.0.2.1:50051", "index.example.org:443"):
            with (
                eventindex.connect(address, token=secret) as client,
                pytest.raises(eventindex.AccessError, match="not sent to another machine") as error,
            ):
                client.lookup([(1, 1)])
            assert secret not in str(error.value)
        monkeypatch.setenv("EVENTINDEX_ALLOW_PLAINTEXT", "true")
        with eventindex.connect(elsewhere, token=secret) as client:
            assert client.lookup([(1, 1)]).not_found == 1
    finally:
        service.close()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_token_file_of_any_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, end: str
) -> None:
    """A byte-order mark, UTF-16 and line ends, as editors and shells write, do not matter."""
    path = tmp_path / "token"
    path.write_bytes(f"eix_abc{end}".encode(encoding))
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(path))
    monkeypatch.delenv("EVENTINDEX_TOKEN", raising=False)
    assert TokenSource().current() == "eix_abc"
    path.write_bytes(codecs.BOM_UTF16_BE + f"eix_abc{end}".encode("utf-16-be"))
    assert TokenSource().current() == "eix_abc"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(eventindex.AccessError, match="characters"):
        TokenSource().current()


def test_a_token_that_cannot_be_one_is_not_sent(stack: Stack) -> None:
    """A text with odd characters is refused here, without being shown."""
    for text in ("eix_a b", "eix_é", "eix_a\nb"):
        with (
            stack.connect(text) as client,
            pytest.raises(eventindex.AccessError, match="characters") as error,
        ):
            client.lookup([(1, 1)])
        assert text not in str(error.value)
