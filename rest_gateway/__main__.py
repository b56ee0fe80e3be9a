"""`python -m rest_gateway`: the REST API, with the settings of the environment."""

from __future__ import annotations

import sys

from rest_gateway.service import serve
from service_kit.start import run_service

if __name__ == "__main__":
    sys.exit(run_service("rest_gateway", serve))
