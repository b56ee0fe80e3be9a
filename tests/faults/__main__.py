"""`python -m tests.faults [NAME…]`: do harm, compare, print a line for each fault.

With --write the rows go into the table of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.faults import table
from tests.faults.scenario import SCENARIOS, Row, SkippedError, run
from tests.support.processes import PostgresServer


def main() -> int:
    """Run the scenarios; 0 when everything held."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios (default: all)")
    parser.add_argument("--seed", type=int, help="of all that is random (default: the time)")
    parser.add_argument("--times", type=int, help="how often (default: each scenario's own)")
    parser.add_argument("--short", action="store_true", help="as often as `make test` does it")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--write", action="store_true", help="put the rows into the document")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - SCENARIOS.keys():
        parser.error(f"no scenario {', '.join(sorted(unknown))}; --list names them")
    chosen = [SCENARIOS[name] for name in arguments.names or SCENARIOS]
    if arguments.list:
        print(*(f"{found.name}: {found.fault}: {found.how}" for found in chosen), sep="\n")
        return 0
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    rows: list[Row] = []
    failed: list[str] = []
    server = PostgresServer(durable=True)
    try:
        for found in chosen:
            usual = found.times_short if arguments.short else found.times
            times = arguments.times or usual
            if not times:
                continue
            if not server.running:
                server.start()
            began = time.monotonic()
            try:
                row = run(found, server, times, seed)
            except SkippedError as error:
                print(f"{found.name}: skipped: {error}", flush=True)
                continue
            except Exception:  # noqa: BLE001  # the others are to be done all the same
                traceback.print_exc()
                failed.append(found.name)
                continue
            print(f"{row.text()} [{time.monotonic() - began:.0f} s]", flush=True)
            rows.append(row)
            if not row.good:
                failed.append(found.name)
    finally:
        server.close()
    if arguments.write:
        table.write(rows)
    if failed:
        print(f"failed (seed {seed}): {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
