"""What `EVENTINDEX_MODE=production` asks for before a service starts; says all that is missing.

Never changes a setting: what is asked for is set by somebody, or the service does not start.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from event_store.database import startup
from event_store.database.connection import Connection
from event_store.errors import StoreError, StoreUnavailableError
from service_kit.outgoing import plain_broker, plain_database
from service_kit.settings import Settings

DEVELOPMENT = (
    "EVENTINDEX_MODE=development: calls on loopback need no token, and any role of the database "
    "will do; EVENTINDEX_MODE=production says what a service for others lacks"
)


def problems(settings: Settings, directory: Path, service: str) -> list[str]:
    """Return what a service in production lacks; `directory` is where it was started."""
    found = [*_of_settings(settings)]
    if service == "ingest_service" and settings.mqtt_url and not settings.allow_plaintext:
        found += filter(None, [plain_broker(settings.mqtt_url.get_secret_value())])
    if _is_env_file(directory / ".env"):
        found.append(
            f"settings are read from {directory / '.env'}: whoever can write there decides over "
            "the service; use the environment"
        )
    if not settings.database_url:
        found.append("EVENTINDEX_DATABASE_URL is not set")
    elif (role := _role_problem(settings)) is not None:
        found.append(role)
    return found


def _of_settings(settings: Settings) -> list[str]:
    found = []
    if settings.tls_cert is None and not settings.allow_plaintext:
        found.append(
            "no TLS: set EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY, or "
            "EVENTINDEX_ALLOW_PLAINTEXT=true where a proxy on this machine has the certificate or "
            "nobody else reaches the network"
        )
    if settings.allow_anonymous == "true":
        found.append(
            "EVENTINDEX_ALLOW_ANONYMOUS=true lets everybody do everything: `lookup` is the most"
        )
    if not settings.require_tokens and "require_tokens" in settings.model_fields_set:
        found.append(
            "EVENTINDEX_REQUIRE_TOKENS=false: calls need a token on loopback too, where a proxy "
            "may stand"
        )
    plain = plain_database(settings.database_url.get_secret_value())
    if not settings.allow_plaintext and plain:
        found.append(plain)
    return found


def _role_problem(settings: Settings) -> str | None:
    """Ask the database; one that is away is asked again before it is used."""
    connection = Connection(
        settings.database_url.get_secret_value(),
        settings.store_options,
        autocommit=True,
        name="eventindex start",
    )
    with contextlib.closing(connection):
        try:
            return startup.too_powerful(connection)
        except (StoreError, StoreUnavailableError):
            return None


def _is_env_file(path: Path) -> bool:
    try:
        return "eventindex_" in path.read_text(errors="replace").lower()
    except OSError:
        return False
