"""Profiles: addresses, TLS and tokens of several indexes, under names, in a file of the user.

    # ~/.config/eventindex/config.toml
    [default]
    index = "index.example.org:50051"
    ingest = "ingest.example.org:50052"
    tls_ca = "ca.pem"              # beside this file
    token_file = "~/.eventindex-token"

    [lab]
    index = "127.0.0.1:50051"

Only reads. What a profile says goes with its own addresses and with no others.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from eventindex.errors import ConfigError

DEFAULT = "default"
_ADDRESSES = ("index", "ingest", "mqtt", "database")
_FILES = ("tls_ca", "tls_cert", "tls_key", "token_file")
_KEYS = (*_ADDRESSES, "tls", *_FILES, "tls_server_name")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one index.

    Attributes:
        name: of the profile.
        path: the file that it is in.
        addresses: of the services that are named, by service.
        tls: whether TLS is on; any of the following turns it on.
        tls_ca, tls_cert, tls_key, tls_server_name: as in `connect`.
        token_file: a file with the access token.
    """

    name: str
    path: Path
    addresses: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_server_name: str | None = None
    token_file: Path | None = None


def config_path() -> Path:
    """Return the file of profiles: EVENTINDEX_CONFIG, else eventindex/config.toml in ~/.config."""
    if given := os.environ.get("EVENTINDEX_CONFIG"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "eventindex" / "config.toml"


def find_profile(name: str) -> Profile | None:
    """Return a profile by its name; None where nobody wrote it and it is the default one.

    Raises:
        ConfigError: the file cannot be read, or has no profile of this name; says which it has.
    """
    path = config_path()
    tables = _read(path)
    if name in tables:
        return _to_profile(name, path, tables[name])
    if name == DEFAULT:
        return None
    known = ", ".join(tables) or "none"
    raise ConfigError(f"there is no profile {name!r} in {path}: it has {known}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _to_profile(name: str, path: Path, table: object) -> Profile:
    where = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name} stands outside of a profile, such as [{DEFAULT}]")
    for key, value in table.items():
        if key not in _KEYS:
            close = get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_KEYS)}"
            raise ConfigError(f"{where}: {key!r} is not known: {hint}")
        wanted = bool if key == "tls" else str
        if not isinstance(value, wanted):
            raise ConfigError(f"{where}: {key} is {value!r}, not a {_IN_WORDS[wanted]}")
    addresses = {key: table[key] for key in _ADDRESSES if table.get(key)}
    files = {key: path.parent / Path(table[key]).expanduser() for key in _FILES if table.get(key)}
    server = table.get("tls_server_name")
    if ("tls_cert" in files) != ("tls_key" in files):
        raise ConfigError(f"{where}: tls_cert and tls_key go together")
    return Profile(name, path, addresses, table.get("tls", False), tls_server_name=server, **files)


_IN_WORDS: dict[type, str] = {bool: "true or false", str: "text in quotes"}
