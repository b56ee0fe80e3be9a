"""Whether the index answers the gateway; `service_kit.health` asks the database of the jobs."""

from __future__ import annotations

import logging

from eventindex.errors import AccessError, EventIndexError
from rest_gateway.clients import JobServices
from service_kit import calls

log = logging.getLogger(__name__)

_ANSWER_S_MAX = 2.0


def index_problem(services: JobServices) -> str | None:
    """Return what is wrong with the index, None when it answers."""
    try:
        with calls.untraced():
            services.lookup([], timeout=_ANSWER_S_MAX)
    except AccessError as error:
        # It answers, though not this caller: requests bring tokens of their own.
        log.debug("the index: %s", error)
    except EventIndexError as error:
        return str(error)
    return None
