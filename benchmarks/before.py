"""`python -m benchmarks.before CHECKOUT`: this version beside another one, with RAW data alone.

Both store the same runs of workload W and look up pairs, each in a database of its own on the same
server, round by round in turn. Prints how many times as long this version takes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.peers.pages import disk_bytes, vacuum
from benchmarks.processes import data_directory, stack

_HERE = Path(__file__).parents[1]
_ROUND = Path(__file__).with_name("before_round.py")
_MIGRATE = "import sys; from event_store.database.migrate import migrate; migrate(sys.argv[1])"


@click.command()
@click.argument("checkout", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=20, help="Runs that both store.")
def main(checkout: Path, rounds: int) -> None:
    """Compare this version with another CHECKOUT."""
    trees = {"before": checkout.resolve(), "now": _HERE}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
    with data_directory() as directory, stack(directory) as running:
        urls = {name: _database(running.database, name) for name in trees}
        for name, tree in trees.items():
            _python(tree, "-c", _MIGRATE, urls[name])
        for run in range(1, rounds + 1):
            for name in sorted(trees, reverse=bool(run % 2)):
                answer = _python(trees[name], str(_ROUND), urls[name], str(run))
                found[name].append(json.loads(answer))
        for url in urls.values():
            vacuum(url)
        size = disk_bytes(urls["now"]) / disk_bytes(urls["before"])
    _show(found["before"], found["now"], size)


def _database(owner_url: str, name: str) -> str:
    with closing(psycopg2.connect(owner_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    return f"{owner_url.rpartition('/')[0]}/{name}"


def _python(tree: Path, *arguments: str) -> str:
    """Run Python with the packages of a checkout, and what is installed beside this one."""
    path = os.pathsep.join([str(tree), str(tree / "clients")])
    command = [sys.executable, "-P", *arguments]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _show(before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], size: float) -> None:
    table = Table("this version / the other one", "CPU", "elapsed", "rounds in the middle half")
    for case in before[0]:
        ratios = {
            kind: sorted(n[case][kind] / b[case][kind] for b, n in zip(before, now, strict=True))
            for kind in ("cpu", "elapsed")
        }
        cpu, middle = ratios["cpu"], len(before) // 4
        table.add_row(
            case,
            f"{statistics.median(cpu):.2f}",
            f"{statistics.median(ratios['elapsed']):.2f}",
            f"{cpu[middle]:.2f} to {cpu[-1 - middle]:.2f} (CPU)",
        )
    table.add_row("bytes on disk", f"{size:.3f}", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
