"""`eventindex certs`: a certificate authority and certificates for development."""

from __future__ import annotations

import re
from pathlib import Path

import click

from eventindex.cli.shared.common import note
from eventindex.cli.shared.ranges import whole

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.command(short_help="Make a CA and certificates for development.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="NAME",
    help="Name or address of the server; may be repeated.  [localhost, 127.0.0.1, ::1]",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Name of a client, CN of its certificate; may be repeated.  [client]",
)
@click.option("--days", type=whole(1, 825), default=90, show_default=True, help="Days they last.")
def certs(directory: Path, servers: tuple[str, ...], clients: tuple[str, ...], days: int) -> None:
    """Make a certificate authority and certificates in DIRECTORY, for development.

    ca.pem, server.pem and a file for each client, each with a .key beside it. An authority that is
    there is used again, the certificates are made anew: services take them over while they run.
    """
    try:
        from eventindex import certificates  # cryptography comes with the services
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'eventindex[server]'"
        ) from error
    wrong = [name for name in clients if not _NAME.fullmatch(name) or name in {"ca", "server"}]
    if wrong:
        raise click.BadParameter(
            f"{wrong[0]!r} cannot be the name of a client", param_hint="--client"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        authority = certificates.certificate_authority(directory)
        names = servers or ("localhost", "127.0.0.1", "::1")
        pairs = {"server": certificates.server_certificate(authority, names, days)}
        for name in clients or ("client",):
            pairs[name] = certificates.client_certificate(authority, name, days)
        for name, pair in pairs.items():
            certificates.write_pair(directory, name, pair)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{directory}: {error}") from error
    note(f"{directory}: ca.pem, {', '.join(f'{name}.pem' for name in pairs)}, keys beside them")
    note(
        f"server: EVENTINDEX_TLS_CERT={directory / 'server.pem'} "
        f"EVENTINDEX_TLS_KEY={directory / 'server.key'} "
        f"EVENTINDEX_TLS_CLIENT_CA={directory / 'ca.pem'}"
    )
    client = next(name for name in pairs if name != "server")
    note(
        f"client: --tls-ca {directory / 'ca.pem'} --tls-cert {directory / f'{client}.pem'} "
        f"--tls-key {directory / f'{client}.key'}"
    )
