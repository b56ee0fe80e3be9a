"""Events in: message → decode → validate → batch → store → acknowledge.

Two doors, MQTT and gRPC, feed one pipeline. Never answers questions about the index.
"""

import service_kit  # noqa: F401  # before prometheus_client: see there
