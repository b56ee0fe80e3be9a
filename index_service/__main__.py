"""`python -m index_service`: lookups over gRPC, with the settings of the environment."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from service_kit.log import complain
from service_kit.settings import Settings
from service_kit.start import run_service


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the form of the log."""

    def error(self, message: str) -> NoReturn:
        """End as with wrong settings."""
        complain("index_service", message)
        sys.exit(2)


async def _serve(settings: Settings) -> int:
    # The supervisor needs none of what answers lookups, which takes 20 MB.
    if settings.index_workers_in_use > 1:
        from index_service.workers.supervisor import supervise  # noqa: PLC0415  # what the other needs stays out

        return await supervise(settings)
    from index_service.service import serve  # noqa: PLC0415  # as above

    return await serve(settings)


def main() -> int:
    """Serve until told to stop; the exit code."""
    parser = _Parser(
        "index_service",
        description="Answers lookups over gRPC. Settings are EVENTINDEX_* variables.",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="processes that share the port; 0: one for each core "
        "(default: EVENTINDEX_INDEX_WORKERS)",
    )
    arguments = parser.parse_args()
    given = {} if arguments.workers is None else {"index_workers": arguments.workers}
    return run_service("index_service", _serve, given)


if __name__ == "__main__":
    sys.exit(main())
