"""Where a client looks for the services: arguments, environment, profiles, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

import eventindex
from eventindex.addresses import locate
from tests.support.client import Server, fuid
from tests.support.command import run


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of profiles; nothing else says where the services are."""
    for name in ("INDEX_ADDRESS", "INGEST_ADDRESS", "PROFILE", "DATA_DIR", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"EVENTINDEX_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.toml"
    monkeypatch.setenv("EVENTINDEX_CONFIG", str(path))
    path.write_text(
        '[default]\nindex = "default.example:1"\n\n'
        '[lab]\nindex = "lab.example:2"\ntls_ca = "ca.pem"\ntoken_file = "token"\n'
    )
    return path


def test_what_is_nearer_counts(config: Path, monkeypatch: pytest.MonkeyPatch):
    """An argument beats a profile by name, the environment, the stack here, the default profile."""
    assert locate("index").address == "default.example:1"
    Path(".eventindex").mkdir()
    Path(".eventindex/endpoints.json").write_text('{"index": "127.0.0.1:3"}')
    assert locate("index") == ("127.0.0.1:3", ".eventindex/endpoints.json", None)
    monkeypatch.setenv("EVENTINDEX_PROFILE", "lab")
    assert locate("index").source == f"{config} [lab]"
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", "env.example:4")
    assert locate("index").address == "env.example:4"
    found = locate("index", profile="lab")
    assert found.profile is not None
    assert (found.address, found.profile.tls_ca) == ("lab.example:2", config.parent / "ca.pem")
    assert locate("index", "hand.example:5", "lab") == ("hand.example:5", "what was given", None)
    monkeypatch.delenv("EVENTINDEX_PROFILE")
    Path(".eventindex/endpoints.json").unlink()
    Path(".eventindex").rmdir()
    assert locate("ingest") == ("127.0.0.1:50052", "the usual port", None)


def test_token_and_tls_of_a_profile_stay_with_its_addresses(config: Path):
    """Another address gets neither: nobody's token goes where its profile did not say."""
    server = Server({(1, 1): (fuid(1), 7, 0)})
    no_token = pytest.raises(FileNotFoundError, match="token")
    try:
        with eventindex.connect(server.address, profile="lab") as client:
            assert client.lookup([(1, 1)]).found == 1
        with eventindex.connect(profile="lab", retry_seconds_max=0) as client, no_token:
            client.lookup([(1, 1)])
        config.write_text(f'[here]\nindex = "{server.address}"\ntoken_file = "token"\n')
        (config.parent / "token").write_text("eix_abc\n")
        with eventindex.connect(profile="here") as client:
            assert client.lookup([(1, 1)]).found == 1
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "x stands outside of a profile"),
        ("[lab", "config.toml: "),
        ('[lab]\nindx = "a:1"', "'indx' is not known: did you mean index?"),
        ("[lab]\nindex = 5", "index is 5, not a text in quotes"),
        ('[lab]\ntls = "yes"', "tls is 'yes', not a true or false"),
        ('[lab]\ntls_key = "k"', "tls_cert and tls_key go together"),
        ("[other]", "there is no profile 'lab' in"),
        ("[lab]", "the profile 'lab' names no index"),
    ],
)
def test_a_wrong_profile_is_bad_usage(config: Path, text: str, words: str):
    """The file, the table and the key that are wrong are named in one line."""
    config.write_text(text)
    result = run("runs", "--profile", "x" if text == "x = 1" else "lab")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert words in result.stderr


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://index.example:50051/", "give HOST:PORT without http://, as index.example:50051"),
        ("mqtt://index.example:1883", "without mqtt://"),
        ("index.example", "is not HOST:PORT"),
        ("index.example:no", "is not HOST:PORT"),
        ("index.example:70000", "is not HOST:PORT"),
    ],
)
def test_what_is_no_address_is_bad_usage(config: Path, address: str, words: str):
    """A URL, or an address without a port, is told before anything is asked."""
    result = run("runs", "--address", address)
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr
    with pytest.raises(eventindex.AddressError), eventindex.connect(address) as client:
        client.lookup([(1, 1)])
