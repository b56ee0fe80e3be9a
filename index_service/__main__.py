"""`python -m index_service`: lookups over gRPC, with the settings of the environment."""

from __future__ import annotations

import sys

from index_service.service import serve
from service_kit.start import run_service

if __name__ == "__main__":
    sys.exit(run_service("index_service", serve))
