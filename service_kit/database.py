"""The limits of database connections, from the settings."""

from __future__ import annotations

from event_store.database.connection import StoreOptions
from service_kit.settings import Settings


def store_options(settings: Settings) -> StoreOptions:
    """Return the limits of database connections."""
    return StoreOptions(
        connect_timeout_s=settings.database_connect_timeout_s,
        stall_timeout_s=settings.database_stall_timeout_s,
        lock_timeout_ms=settings.database_lock_timeout_ms,
        idle_in_transaction_timeout_ms=settings.database_idle_in_transaction_timeout_ms,
    )
