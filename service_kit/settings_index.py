"""The settings of index_service alone; `service_kit.settings` reads and checks them."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

CACHE_BYTES_MIN = 1024 * 1024
INDEX_WORKERS_MAX = 256


class IndexSettings(BaseSettings):
    """The cache, the workers and what they take at once."""

    cache_bytes_max: int = Field(
        256 * 1024 * 1024,
        ge=CACHE_BYTES_MIN,
        description="Memory of the page cache of index_service, bytes, all workers together: each "
        "has an equal share.",
    )
    file_names_bytes_max: int = Field(
        32 * 1024 * 1024,
        ge=0,
        description="Memory of the names of files that each worker of index_service remembers, "
        "bytes.",
    )
    file_url: str = Field(
        "",
        max_length=1024,
        description="How the address of a file is made, such as root://host//store/{name}: with "
        "{name} as it was noted, {fuid}, {dataset} and {collection} (their names) and {run}. One "
        "of which one of them is not known has none. Empty: no addresses.",
    )
    replica_lag_max_s: float = Field(
        60.0,
        ge=0,
        description="A worker of index_service whose database is a replica that is further behind "
        "its primary, seconds, is not ready. 0: no bound.",
    )
    replica_wait_max_s: float = Field(
        10.0,
        gt=0,
        description="Longest wait of a lookup with a commit_token for a replica to have what the "
        "token stands for, seconds; it ends before the deadline of the call in any case.",
    )
    index_workers: int = Field(
        0,
        ge=0,
        le=INDEX_WORKERS_MAX,
        description="Processes of index_service that share its port, each with a page cache and "
        "connections of its own. 0: one for each core that the service may use; on systems other "
        "than Linux 1.",
    )
    lookups_at_once_max: int = Field(
        1024,
        ge=1,
        le=100_000,
        description="Calls and streams that each worker of index_service serves at once; one more "
        "is refused with RESOURCE_EXHAUSTED.",
    )
