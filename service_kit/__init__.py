"""What every service needs the same: settings, logging, TLS, health, metrics.

Never holds anything that only one service needs, and never imports a service.
"""

import os

# prometheus_client looks at it when it is first imported, and would write a file a process there.
for _name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
    os.environ.pop(_name, None)

# gRPC's core reads it when it is first imported. It writes lines of its own, of TLS handshakes
# that failed, which would be no JSON.
if os.environ.get("EVENTINDEX_LOG_FORMAT") == "json":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
