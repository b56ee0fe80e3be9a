"""`endpoints.json`: where the parts of a running stack answer. Never decides an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from eventindex.hosts import without_password
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
        """Write the file; mode 600, because two of the URLs hold passwords."""
        write_json(path, asdict(self))

    def lines(self) -> list[str]:
        """Return the addresses for people, the passwords left out."""
        rows = {
            "lookups (gRPC)": self.index,
            "ingest (gRPC)": self.ingest,
            "web page": self.http,
            "REST API": f"{self.http}/docs",
            "MQTT": without_password(self.mqtt),
            "PostgreSQL": without_password(self.database),
            "": "(their passwords are in endpoints.json)",
            "metrics": f"\n{'':18}".join(
                (self.index_metrics, self.ingest_metrics, self.http_metrics)
            ),
        }
        return [f"  {name:<15} {value}" for name, value in rows.items()]
