"""`python -m ingest_service`: events in over MQTT and gRPC, set by the environment."""

from __future__ import annotations

import sys

from ingest_service.service import serve
from service_kit.start import run_service

if __name__ == "__main__":
    sys.exit(run_service("ingest_service", serve))
