"""`eventindex up`: the whole system on this machine, where its parts are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from eventindex.cli.shared.common import missing_part


@click.command(short_help="Run PostgreSQL, a broker and all services here.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the data is kept (default: EVENTINDEX_DATA_DIR, or ./.eventindex).",
)
@click.option(
    "--broker",
    type=click.Choice(["auto", "mosquitto", "amqtt"]),
    default="auto",
    help="Which broker to run (default: Mosquitto where it is installed, otherwise amqtt).",
)
def up(data_dir: Path | None, broker: str) -> None:
    """Run PostgreSQL, a broker and all services on this machine; Ctrl-C stops them.

    Ports and URLs are settings, EVENTINDEX_INDEX_ADDRESS and so on; a usual port that is taken is
    replaced by a free one. With EVENTINDEX_DATABASE_URL or EVENTINDEX_MQTT_URL that server is used
    and none is started. The addresses are in endpoints.json in the data directory.
    """
    try:
        from local_stack.command import run_stack, serve_until_stopped  # not in the light install
    except ModuleNotFoundError as error:
        raise missing_part("up", error) from error
    sys.exit(run_stack(data_dir, serve_until_stopped, broker=broker))
