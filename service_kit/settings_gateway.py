"""The settings of rest_gateway alone; `service_kit.settings` reads and checks them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class GatewaySettings(BaseSettings):
    """Requests, jobs, and how the gateway reaches the other services."""

    http_requests_at_once_max: int = Field(
        64,
        ge=1,
        le=1000,
        description="Requests that rest_gateway serves at once; one more is refused with 503.",
    )
    http_lookup_bytes_max: int = Field(
        512 * 1024 * 1024,
        ge=1024,
        description="Size of the list of a lookup over HTTP, bytes, as it comes and without its "
        "compression; a longer one is refused with 413.",
    )
    http_lookup_pairs_max: int = Field(
        10_000_000,
        ge=1,
        description="Pairs of a lookup over HTTP; more are refused with 413. They wait in the "
        "directory for temporary files, 16 bytes each, until the list has come.",
    )
    http_job_bytes_max: int = Field(
        4 * 1024 * 1024 * 1024,
        ge=1024,
        description="Size of the list of a job, bytes, as it comes and without its compression; a "
        "longer one is refused with 413.",
    )
    http_job_pairs_max: int = Field(
        100_000_000, ge=1, description="Pairs of a job; more are refused with 413."
    )
    http_jobs_max: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Jobs that wait or run at once, over all gateways; one more is refused with "
        "503.",
    )
    http_job_lifetime_s: int = Field(
        7 * 86_400,
        ge=1,
        le=366 * 86_400,
        description="How long a job and its result are kept after its end, and a job that cannot "
        "end is, seconds.",
    )
    http_database_connections_max: int = Field(
        4, ge=1, le=100, description="Connections of rest_gateway to PostgreSQL, for its jobs."
    )
    http_services_tls_ca: Path | None = Field(
        None,
        description="CA certificates of the two services, PEM: rest_gateway then speaks TLS to "
        "them, with EVENTINDEX_TLS_CERT as its own certificate where that is set.",
    )

    token: SecretStr = Field(
        SecretStr(""),
        description="Access token with which rest_gateway looks up for its jobs and asks whether "
        "the index answers. The command line and the Python client read the variable too.",
    )
    token_file: Path | None = Field(
        None,
        description="File that holds that token, where EVENTINDEX_TOKEN is empty; read again "
        "when it changes.",
    )

    @field_validator("token_file", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # Compose and scripts set a variable that they have no value for to an empty text.
        return value or None
