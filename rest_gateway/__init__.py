"""The index over HTTP: a REST API and jobs, as a client of the index and ingest services.

Its only tables are those of its jobs.
"""

import service_kit  # noqa: F401  # before prometheus_client: see there
