"""Where the services are, when nobody says so: the environment, the local stack, the defaults.

Only reads; never connects.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

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
    """
    return (
        given
        or os.environ.get(_VARIABLES[service])
        or _endpoints().get(service)
        or _DEFAULTS[service]
    )


def _endpoints() -> dict[str, str]:
    """Read what `eventindex up` wrote; a file that is missing or broken says nothing."""
    path = Path(os.environ.get("EVENTINDEX_DATA_DIR") or ".eventindex") / "endpoints.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}
