"""What the commands share: where the services are, one-line errors, exit codes.

Exit codes: 0 all is well, 1 failure, 2 bad usage, 3 done but not for all.
"""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO, UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from eventindex.cli.shared.ranges import decimal
from eventindex.errors import EventIndexError, InvalidRequestError, WrongStateError

if TYPE_CHECKING:
    from eventindex.client import Client

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_ALL = 3

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

F = TypeVar("F", bound=Callable[..., Any])


class Failure(click.ClickException):
    """A failure that is one line on standard error and exit code 1."""

    exit_code = EXIT_FAILURE

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"eventindex: {self.format_message()}", err=True, file=file)


class RefusedUsage(Failure):
    """Bad usage that only the service can tell, in its words."""

    exit_code = EXIT_USAGE


def missing_part(command: str, error: ModuleNotFoundError) -> Failure:
    """Return the failure of a command whose modules are not installed."""
    return Failure(
        f"`{command}` needs the server parts: pip install 'eventindex[server]' "
        f"({error.name} is missing)"
    )


class Cli(click.Group):
    """A group of commands whose errors are one line, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except WrongStateError as error:
            # The command is right and may work later: no bad usage.
            raise Failure(_one_line(error)) from error
        except InvalidRequestError as error:
            raise RefusedUsage(_one_line(error)) from error
        except EventIndexError as error:
            raise Failure(_one_line(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise Failure(_one_line(error)) from error


def connection_options(function: F) -> F:
    """Add --address and TLS to a command of one service; its `connect` returns a client."""

    @click.option("--address", metavar="HOST:PORT", help="Service to talk to.")
    @_call_options
    @functools.wraps(function)
    def wrapped(address: str | None, **rest: Any) -> Any:
        return _run(function, rest, address, address)

    return wrapped  # type: ignore[return-value]


def both_services(function: F) -> F:
    """Add the addresses of both services and TLS to a command that may talk to either."""

    @click.option("--address", metavar="HOST:PORT", help="Index service.")
    @click.option("--ingest-address", metavar="HOST:PORT", help="Ingest service.")
    @_call_options
    @functools.wraps(function)
    def wrapped(address: str | None, ingest_address: str | None, **rest: Any) -> Any:
        return _run(function, rest, address, ingest_address)

    return wrapped  # type: ignore[return-value]


def _call_options(function: F) -> F:
    """Add what a call needs beside an address."""
    for option in (
        click.option(
            "--retry",
            type=decimal(0),
            default=10.0,
            show_default=True,
            help="How long to try again while a service is away, seconds.",
        ),
        click.option(
            "--timeout",
            type=decimal(0, above=True),
            default=30.0,
            show_default=True,
            help="Longest wait for an answer, seconds.",
        ),
        click.option(
            "--profile", metavar="NAME", help="Of ~/.config/eventindex/config.toml; see the docs."
        ),
        click.option("--tls-key", type=_FILE, help="Key of the own certificate, PEM."),
        click.option("--tls-cert", type=_FILE, help="Own certificate, PEM."),
        click.option("--tls-ca", type=_FILE, help="Certificates to trust, PEM."),
        click.option("--tls", is_flag=True, help="Use TLS; the next three turn it on too."),
    ):
        function = option(function)
    return function


def _run(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    index_address: str | None,
    ingest_address: str | None,
) -> Any:
    """Run a command with a `connect` in the place of the options that it is made of."""
    names = ("tls", "tls_ca", "tls_cert", "tls_key", "timeout", "retry", "profile")
    given = {name: arguments.pop(name) for name in names}
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    retry_seconds_max = given.pop("retry")

    def connect() -> Client:
        from eventindex.client import connect as connected  # gRPC and NumPy

        return connected(
            index_address,
            ingest_address=ingest_address,
            retry_seconds_max=retry_seconds_max,
            **given,
        )

    return function(connect=connect, **arguments)


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for "-", for a thread to read.

    Standard input is read beside `sys.stdin`: at exit Python takes that one's lock, which a thread
    that waits for input holds, and aborts.

    Raises:
        click.UsageError: the file cannot be opened.
    """
    if path != "-":
        try:
            stream = Path(path).open("rb")  # noqa: SIM115  # closed below
        except OSError as error:
            raise click.UsageError(f"{path}: {error.strerror}") from error
        with stream:
            yield stream
        return
    yield _standard_input()


def _standard_input() -> BinaryIO:
    try:
        return BufferedReader(FileIO(sys.stdin.fileno(), closefd=False))
    except UnsupportedOperation:
        return sys.stdin.buffer


def note(text: str) -> None:
    """Print a line for people, beside the output."""
    click.echo(text, err=True)


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
