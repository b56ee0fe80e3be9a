"""Lookups over gRPC: request in, plan, fetch, reply.

Reads the database, never writes it.
"""

import service_kit  # noqa: F401  # before prometheus_client: see there
