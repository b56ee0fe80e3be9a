"""`endpoints.json`: where the parts of a running stack answer. Never decides an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.data_dir import write_json


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a running stack.

    Attributes:
        index, ingest: gRPC, host:port.
        mqtt: URL of the broker, with any user and password it needs.
        database: URL of the owner of the database, with its password.
        index_metrics, ingest_metrics, http_metrics: URLs of the metrics pages.
        http: URL of the REST API.
        pids: process ids by name; `up` is the one to send SIGTERM to.
    """

    index: str
    ingest: str
    mqtt: str
    database: str
    index_metrics: str
    ingest_metrics: str
    http: str
    http_metrics: str
    pids: Mapping[str, int]

    def write(self, path: Path) -> None:
        """Write the file; mode 600, because the database URL holds the password."""
        write_json(path, asdict(self))

    def lines(self) -> list[str]:
        """Return the addresses for people, the password left out."""
        database = self.database
        if "@" in database:
            scheme, _, rest = database.partition("://")
            user = rest.rpartition("@")[0].partition(":")[0]
            database = f"{scheme}://{user}@{rest.rpartition('@')[2]}"
        rows = {
            "lookups (gRPC)": self.index,
            "ingest (gRPC)": self.ingest,
            "web page": self.http,
            "REST API": f"{self.http}/docs",
            "MQTT": self.mqtt,
            "PostgreSQL": database,
            "": "(its password is in endpoints.json)",
            "metrics": f"\n{'':18}".join(
                (self.index_metrics, self.ingest_metrics, self.http_metrics)
            ),
        }
        return [f"  {name:<15} {value}" for name, value in rows.items()]
