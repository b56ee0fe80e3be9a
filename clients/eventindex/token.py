"""The access token of a client: where it comes from, and which one is the newest.

Looked for again before each call, so that a job that runs for longer than its token lives goes on
with the next one. Never sends it where others could read it, and never prints it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from eventindex.errors import AccessError
from eventindex.file_state import State, file_state
from eventindex.hosts import is_loopback
from eventindex.stored_text import encoding_of

Metadata = tuple[tuple[str, str], ...]
# The text of a token, or what returns the one of now.
Token: TypeAlias = str | Callable[[], str]

# Longer than any token, and far from what a file under a wrong name may hold.
_TOKEN_BYTES_MAX = 64 * 1024


class TokenFile:
    """A file with a token, read again when it has changed."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._state: State | None = None
        self._text = ""

    def text(self) -> str:
        """Return the token; the last one while somebody is about to write the next.

        Raises:
            OSError: the file cannot be read, and never could.
            AccessError: what is there cannot be a token.
        """
        try:
            state = file_state(self.path)
            if state != self._state:
                text = checked(decoded(self._bytes()))
                self._text = text or self._text
                self._state = state
        except OSError:
            if not self._text:
                raise
        return self._text

    def _bytes(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(_TOKEN_BYTES_MAX)


class TokenSource:
    """Where a client has its token from; the first place that has one counts.

    What was given, EVENTINDEX_TOKEN, the file of EVENTINDEX_TOKEN_FILE or else that of a profile,
    and then the places of the WLCG Bearer Token Discovery.
    """

    def __init__(self, given: Token | None = None, file: Path | None = None) -> None:
        self._given = given
        self._file = file
        self._files: dict[Path, TokenFile] = {}

    def current(self) -> str:
        """Return the token of now that was named by somebody, or "".

        Raises:
            OSError: its file cannot be read.
            AccessError: what is there cannot be a token.
        """
        given = self._given() if callable(self._given) else self._given
        if text := given or os.environ.get("EVENTINDEX_TOKEN"):
            return checked(text)
        file = os.environ.get("EVENTINDEX_TOKEN_FILE") or self._file
        return self._of(Path(file)) if file else ""

    def discovered(self) -> str:
        """Return the token that lies where WLCG tools put it, or ""; AccessError as above.

        https://zenodo.org/records/3937438
        """
        if text := os.environ.get("BEARER_TOKEN"):
            return checked(text)
        for path, may_be_anybodys in _wlcg_files():
            try:
                if may_be_anybodys or _is_ours(path):
                    return self._of(path)
            except OSError:
                continue
        return ""

    def _of(self, path: Path) -> str:
        return self._files.setdefault(path, TokenFile(path)).text()


class CallToken:
    """The token of the calls to one address."""

    def __init__(
        self,
        source: TokenSource,
        address: str,
        *,
        encrypted: bool,
        plaintext_allowed: bool | None = None,
    ) -> None:
        """Note where the token goes.

        Args:
            source: of the token.
            address: where it goes.
            encrypted: nobody can read on the way.
            plaintext_allowed: nobody else reaches the network; None: EVENTINDEX_ALLOW_PLAINTEXT.
        """
        self._source = source
        self._address = address
        self._encrypted = encrypted
        self._plaintext_allowed = plaintext_allowed

    def metadata(self) -> Metadata:
        """Return what a call that begins now brings with it, nothing without a token.

        Raises:
            OSError: the file of the token cannot be read.
            AccessError: what is there cannot be a token, or others could read it on the way.
        """
        token = self._source.current()
        if token and not self._is_safe():
            raise AccessError(
                f"{self._address}: a token is not sent to another machine without TLS: turn TLS "
                "on, or set EVENTINDEX_ALLOW_PLAINTEXT=true on a network that nobody else reaches"
            )
        # Nobody named this one: where it is not safe it stays at home.
        if not token and self._is_safe():
            token = self._source.discovered()
        return (("authorization", f"Bearer {token}"),) if token else ()

    def newer(self, used: Metadata) -> Metadata:
        """Return what to bring instead of what was refused; nothing where there is no other."""
        found = self.metadata()
        return () if found == used else found

    def _is_safe(self) -> bool:
        allowed = self._plaintext_allowed
        return (
            self._encrypted
            or is_loopback(self._address)
            or (_plaintext_allowed() if allowed is None else allowed)
        )


def checked(text: str) -> str:
    """Return a token without what editors and shells put around it.

    Raises:
        AccessError: it cannot be one.
    """
    token = text.strip("\ufeff \t\r\n")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AccessError("the token has characters that no token has")
    return token


def decoded(data: bytes) -> str:
    """Return the text of a file of any editor or shell: UTF-8, or UTF-16 as PowerShell writes it.

    Bytes that are none stay visible as characters that no token has.
    """
    encoding, mark = encoding_of(data)
    return data[len(mark) :].decode(encoding, "replace")


def _wlcg_files() -> Iterator[tuple[Path, bool]]:
    """Yield the files to look at, and whether it was the user who named the file."""
    if named := os.environ.get("BEARER_TOKEN_FILE"):
        yield Path(named), True
        return
    if not hasattr(os, "geteuid"):
        return
    name = f"bt_u{os.geteuid()}"
    if directory := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(directory, name), False
    yield Path("/tmp", name), False  # noqa: S108  # as the discovery has it; the owner is checked


def _is_ours(path: Path) -> bool:
    """Return whether a file is one and nobody else put it there."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _plaintext_allowed() -> bool:
    return os.environ.get("EVENTINDEX_ALLOW_PLAINTEXT", "").lower() in {"1", "true", "yes", "on"}
