"""How a client reaches a server: channel options, TLS, its token, and retries of calls.

Never knows what is asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from tenacity import (
    AsyncRetrying,
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

from eventindex.errors import UnavailableError
from eventindex.hosts import is_loopback
from eventindex.limits import MESSAGE_BYTES_MAX
from eventindex.profiles import Profile
from eventindex.renewed_channel import RenewedChannel, TlsFiles
from eventindex.token import CallToken, TokenSource
from eventindex.token_channel import TokenChannel

# The servers allow a ping every 20 s. gRPC's own reconnect back-off grows to two minutes, which
# would outlast `retry_seconds_max`.
_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.lb_policy_name", "round_robin"),
]
# gRPC takes `http_proxy` and `https_proxy` for every address, this machine's own too.
_NO_PROXY = ("grpc.enable_http_proxy", 0)


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of a connection. Files are PEM.

    Attributes:
        ca: certificates to trust; none: those that gRPC brings.
        cert, key: the client's own certificate and key, for servers that ask for one.
        server_name: the name in the server's certificate, where it is not the address.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate and its key go together")


class _Opener:
    """The process in which this library opened its first connection."""

    pid: int | None = None


def in_a_fork() -> bool:
    """Return whether this process is a fork of one that had opened connections."""
    return _Opener.pid is not None and _Opener.pid != os.getpid()


def check_process() -> None:
    """See that gRPC may be used here: in such a fork any call, also of a new client, may hang.

    gRPC follows a fork only while no thread is inside of it, and never says which it was.

    Raises:
        RuntimeError: this process is a fork of one that had opened connections.
    """
    if in_a_fork():
        raise RuntimeError(
            f"process {_Opener.pid} connected to the index and was forked then, which gRPC does "
            "not survive: start processes by 'spawn' or 'forkserver', or before the first call, "
            "and call eventindex.connect() in each of them"
        )


def tls_of(
    wanted: bool,
    ca: str | Path | None,
    cert: str | Path | None,
    key: str | Path | None,
    server_name: str | None,
) -> Tls | None:
    """Return the TLS that arguments of `connect` ask for; any of them turns it on."""
    paths = [None if path is None else Path(path) for path in (ca, cert, key)]
    if not (wanted or server_name or any(paths)):
        return None
    return Tls(paths[0], paths[1], paths[2], server_name)


def tls_of_profile(profile: Profile) -> Tls | None:
    """Return the TLS of a profile."""
    return tls_of(
        profile.tls, profile.tls_ca, profile.tls_cert, profile.tls_key, profile.tls_server_name
    )


def open_channel(address: str, tls: Tls | None, tokens: TokenSource | None = None) -> grpc.Channel:
    """Return a channel whose calls bring a token, if any; it connects when it is first used.

    Files of TLS that are renewed are taken over.

    Raises:
        OSError: a file of TLS or the token cannot be read.
        RuntimeError: this process is a fork of one that had opened connections.
        AccessError: others could read the token on the way.
    """
    check_process()
    _Opener.pid = os.getpid()
    channel = _plain_or_tls(address, tls)
    if tokens is None:
        return channel
    token = CallToken(tokens, address, encrypted=tls is not None)
    token.metadata()  # what is wrong with it is said before anything is asked
    return TokenChannel(channel, token)


def open_async_channel(address: str, tls: Tls | None) -> grpc.aio.Channel:
    """Return a channel of the running event loop; its calls bring no token by themselves.

    Files of TLS are read once.

    Raises:
        OSError: a TLS file cannot be read.
        RuntimeError: this process is a fork of one that had opened connections.
    """
    check_process()
    _Opener.pid = os.getpid()
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_options(address, tls))
    return grpc.aio.secure_channel(address, _credentials(tls), options=_options(address, tls))


def _plain_or_tls(address: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(address, options=_options(address, tls))

    def opened() -> grpc.Channel:
        return grpc.secure_channel(address, _credentials(tls), options=_options(address, tls))

    if tls.ca is None and tls.cert is None:
        return opened()
    return RenewedChannel(TlsFiles(tls.ca, tls.cert, tls.key), opened)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        tls.ca.read_bytes() if tls.ca else None,
        tls.key.read_bytes() if tls.key else None,
        tls.cert.read_bytes() if tls.cert else None,
    )


def _options(address: str, tls: Tls | None) -> list[tuple[str, int | str]]:
    options = list(_OPTIONS)
    # A proxy would read what is not encrypted, and reaches no loopback but its own.
    if tls is None or is_loopback(address):
        options.append(_NO_PROXY)
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def retrying(seconds_max: float) -> Retrying:
    """Return what calls a function again while the server is away, `seconds_max` in all.

    Waits are random and grow to 5 s, so that many clients do not come back at one moment.
    """
    return Retrying(**_policy(seconds_max))


def retrying_async(seconds_max: float) -> AsyncRetrying:
    """Return the same for coroutines."""
    return AsyncRetrying(**_policy(seconds_max))


def _policy(seconds_max: float) -> dict[str, Any]:
    return {
        "retry": retry_if_exception_type(UnavailableError),
        "stop": stop_before_delay(seconds_max),
        "wait": wait_random_exponential(multiplier=0.2, max=5, min=0.05),
        "reraise": True,
    }
