"""Where the services are, when nobody says so: the environment, the local stack, the defaults.

Only reads; never connects.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from eventindex.errors import UnavailableError

Service = Literal["index", "ingest", "mqtt", "database"]

_DEFAULTS: dict[Service, str] = {
    "index": "127.0.0.1:50051",
    "ingest": "127.0.0.1:50052",
    "mqtt": "mqtt://127.0.0.1:1883",
    "database": "",
}
_VARIABLES: dict[Service, str] = {
    "index": "EVENTINDEX_INDEX_ADDRESS",
    "ingest": "EVENTINDEX_INGEST_ADDRESS",
    "mqtt": "EVENTINDEX_MQTT_URL",
    "database": "EVENTINDEX_DATABASE_URL",
}


def find_address(service: Service, given: str | None = None) -> str:
    """Return the address of a service.

    The first of: `given`, the environment variable, `endpoints.json` of the local stack in
    EVENTINDEX_DATA_DIR (default ./.eventindex), the default port on this machine.

    Raises:
        UnavailableError: there is a local stack here and it does not run. Its usual ports may be
            somebody else's by now, whose index must not be taken for this one.
    """
    return given or os.environ.get(_VARIABLES[service]) or _local(service) or _DEFAULTS[service]


def _local(service: Service) -> str:
    """Read what `eventindex up` wrote; "" where there is no local stack."""
    directory = Path(os.environ.get("EVENTINDEX_DATA_DIR") or ".eventindex")
    if not directory.is_dir():
        return ""
    try:
        found = json.loads((directory / "endpoints.json").read_text(encoding="utf-8"))
        return str(found[service])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"the local stack in {directory} is not running: start it with `eventindex up` or "
            f"`make run`, or say where the service is by {_VARIABLES[service]} or --address"
        ) from error
